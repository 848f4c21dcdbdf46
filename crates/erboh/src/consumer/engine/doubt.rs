//! Doubt: notices a partition whose log ends where it cannot, or whose reader brings nothing.
//!
//! A reader that librdkafka has left behind says nothing at all: its leader epoch is larger than that of a
//! cluster out of a backup, so that every fetch is refused and tried again for ever. Where the log ends is
//! asked over another client, and that is compared here.

use std::time::Instant;

use super::limits::STALL;

/// How far a partition was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Everything before it is counted.
    pub(super) position: i64,
    /// Everything before it was looked at; smaller while the window is filled.
    pub(super) read_next: i64,
}

/// Remembers since when a partition is where it is.
#[derive(Default)]
pub(super) struct Watch {
    since: Option<(Instant, Place)>,
    /// Since when there has been more to read.
    behind: Option<Instant>,
}

impl Watch {
    /// Weighs where the log ended when it was asked at `asked`. Only what was asked after the
    /// partition got where it is can contradict it.
    pub(super) fn weigh(
        &mut self,
        here: Place,
        paused: bool,
        (asked, end): (Instant, i64),
        now: Instant,
    ) -> Option<&'static str> {
        let Some((since, _)) = self.since.filter(|(_, place)| *place == here) else {
            self.since = Some((now, here));
            self.behind = None;
            return None;
        };
        if asked >= since && end < here.position {
            self.since = None;
            return Some("the log ends before what was counted");
        }
        if paused || end <= here.read_next {
            self.behind = None;
            return None;
        }
        let behind = *self.behind.get_or_insert(now);
        if now.duration_since(behind) < STALL {
            return None;
        }
        self.since = None;
        Some("the log has more, but nothing comes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place = Place { position: 10, read_next: 10 };

    #[test]
    fn a_log_that_ends_too_early_is_doubted_if_it_was_asked_late_enough() {
        let (start, mut watch) = (Instant::now(), Watch::default());
        let at = |seconds| start + std::time::Duration::from_secs(seconds);
        assert_eq!(watch.weigh(HERE, false, (at(0), 5), at(1)), None);
        assert_eq!(watch.weigh(HERE, false, (at(0), 5), at(2)), None, "it was asked before");
        assert!(watch.weigh(HERE, false, (at(2), 5), at(3)).is_some());
    }

    #[test]
    fn a_reader_that_brings_nothing_for_long_is_doubted() {
        let (start, mut watch) = (Instant::now(), Watch::default());
        let mut weigh = |place, paused, after| {
            let now = start + STALL * after / 2;
            watch.weigh(place, paused, (now, 20), now).is_some()
        };
        assert!(!weigh(HERE, false, 0) && !weigh(HERE, false, 1) && !weigh(HERE, false, 2));
        assert!(weigh(HERE, false, 3));
        assert!(!weigh(HERE, true, 4) && !weigh(HERE, true, 9), "paused is not stuck");
        let further = Place { position: 11, read_next: 11 };
        assert!(
            !weigh(HERE, false, 10) && !weigh(further, false, 12) && !weigh(further, false, 13)
        );
    }
}
