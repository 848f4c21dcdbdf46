//! Doubt: notices a partition whose log ends where it cannot, or whose reader brings nothing.
//!
//! A reader that librdkafka has left behind says nothing at all: its leader epoch is larger than that of a
//! cluster out of a backup, so that every fetch is refused and tried again for ever. Where the log ends is
//! asked over another client, and that is compared here.

use std::fmt;
use std::time::Instant;

use super::limits::{STALL, STALL_SHOWN};

/// How far a partition was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Everything before it is counted.
    pub(super) position: i64,
    /// Everything before it was looked at; smaller while the window is filled.
    pub(super) read_next: i64,
}

/// What is doubted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The log, because it ends before what was counted.
    CutOff,
    /// The reader, because it brings nothing although the log has more; or what stands there.
    Silent,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutOff => "the log ends before what was counted",
            Self::Silent => "the log has more, but nothing comes",
        })
    }
}

/// Remembers since when a partition is where it is.
#[derive(Default)]
pub(super) struct Watch {
    since: Option<(Instant, Place)>,
    /// Since when there has been more to read.
    behind: Option<Instant>,
    /// Whether nothing has come for so long, though there is more, that people should know.
    pub(super) is_silent: bool,
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
    ) -> Option<Doubt> {
        self.is_silent = false;
        let Some((since, _)) = self.since.filter(|(_, place)| *place == here) else {
            self.since = Some((now, here));
            self.behind = None;
            return None;
        };
        if asked >= since && end < here.position {
            self.since = None;
            return Some(Doubt::CutOff);
        }
        if paused || end <= here.read_next {
            self.behind = None;
            return None;
        }
        let behind = *self.behind.get_or_insert(now);
        self.is_silent = now.duration_since(behind) >= STALL_SHOWN;
        if now.duration_since(behind) < STALL {
            return None;
        }
        self.since = None;
        Some(Doubt::Silent)
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
        assert_eq!(watch.weigh(HERE, false, (at(2), 5), at(3)), Some(Doubt::CutOff));
    }

    #[test]
    fn a_reader_that_brings_nothing_is_shown_and_then_doubted() {
        let (start, mut watch) = (Instant::now(), Watch::default());
        let mut weigh = |place, paused, after| {
            let now = start + STALL * after / 2;
            (watch.weigh(place, paused, (now, 20), now), watch.is_silent)
        };
        let (calm, shown) = ((None, false), (None, true));
        assert_eq!(weigh(HERE, false, 0), calm);
        assert_eq!(weigh(HERE, false, 1), calm, "only now it is known that there is more");
        assert_eq!(weigh(HERE, false, 2), shown);
        assert_eq!(weigh(HERE, false, 3).0, Some(Doubt::Silent));
        assert_eq!(weigh(HERE, true, 4), calm);
        assert_eq!(weigh(HERE, true, 9), calm, "paused is not stuck");
        let further = Place { position: 11, read_next: 11 };
        assert_eq!(weigh(HERE, false, 10), calm);
        assert_eq!(weigh(further, false, 12), calm);
        assert_eq!(weigh(further, false, 13), calm, "it moves");
    }
}
