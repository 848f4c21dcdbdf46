//! Ledger: what was sent, and what was answered. What the campaign is judged by.
//!
//! ```text
//!  next() ─► number ─► sent ──201──► acknowledged, at a place
//!                        └── never ─► open: it may stand in the log or not
//! ```

/// Ratings that one campaign may send. Twelve bytes each; half an hour at full rate is a tenth.
const RATINGS_MAX: usize = 10_000_000;

/// Where a producer said that a rating stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// What is known of one rating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It was sent, and no producer has said what became of it.
    Open,
    /// A producer said that it is on the queue; a naive one does not know where.
    Acknowledged(Option<Place>),
}

/// How requests ended that did not end well, and were sent again with the same id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Retries {
    /// Nobody answered.
    pub(crate) silent: u64,
    /// 503: nothing was sent.
    pub(crate) unavailable: u64,
    /// 504: it may have been sent.
    pub(crate) unknown: u64,
    /// Any other error of the server.
    pub(crate) other: u64,
}

impl Retries {
    /// All of them.
    pub(crate) fn sum(self) -> u64 {
        self.silent + self.unavailable + self.unknown + self.other
    }
}

/// The books of the load.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    states: Vec<State>,
    acknowledged: usize,
    pub(crate) retries: Retries,
}

impl Ledger {
    /// The number of the next rating; none if the books are full.
    pub(crate) fn next(&mut self) -> Option<u64> {
        if self.states.len() >= RATINGS_MAX {
            return None;
        }
        self.states.push(State::Open);
        Some(self.states.len() as u64 - 1)
    }

    /// Notes that a rating is on the queue.
    pub(crate) fn acknowledge(&mut self, number: u64, place: Option<Place>) {
        let state = &mut self.states[number as usize];
        if *state == State::Open {
            self.acknowledged += 1;
        }
        *state = State::Acknowledged(place);
    }

    /// What is known of a rating; none if it was never sent.
    pub(crate) fn state(&self, number: u64) -> Option<State> {
        self.states.get(usize::try_from(number).ok()?).copied()
    }

    /// Ratings that were sent.
    pub(crate) fn sent(&self) -> usize {
        self.states.len()
    }

    /// Ratings that were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// The last `count` ratings that were acknowledged.
    pub(crate) fn newest_acknowledged(&self, count: usize) -> Vec<u64> {
        let numbered = self.states.iter().enumerate().rev();
        let known = numbered.filter(|(_, state)| matches!(state, State::Acknowledged(_)));
        known.map(|(number, _)| number as u64).take(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_never_answered_stays_open() {
        let mut ledger = Ledger::default();
        let numbers: Vec<u64> = (0..4).map(|_| ledger.next().unwrap()).collect();
        let place = Place { partition: 3, offset: 7 };
        ledger.acknowledge(numbers[1], Some(place));
        ledger.acknowledge(numbers[3], None);
        ledger.acknowledge(numbers[3], None);
        assert_eq!((ledger.sent(), ledger.acknowledged()), (4, 2));
        assert_eq!(ledger.state(0), Some(State::Open));
        assert_eq!(ledger.state(1), Some(State::Acknowledged(Some(place))));
        assert_eq!(ledger.state(4), None);
        assert_eq!(ledger.newest_acknowledged(9), [3, 1]);
        assert_eq!(ledger.newest_acknowledged(1), [3]);
    }
}
