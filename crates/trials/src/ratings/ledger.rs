//! The ledger: the ratings that were sent, and their acknowledgements.
//!
//! ```text
//!  next() ─► number ─► sent ──201──► acknowledged, at an offset
//!                        └── never ─► open: may be in the log or not
//! ```

/// Maximum number of ratings per campaign, at 24 bytes each; half an hour at full rate is nine
/// million.
const RATINGS_MAX: usize = 10_000_000;

/// The partition and offset of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordLocation {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// The state of a rating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Sent, without an acknowledgement so far.
    Open,
    /// Acknowledged; a naive producer does not return the offset.
    Acknowledged(Option<RecordLocation>),
}

/// The number of retries with the same id, by the outcome of the failed request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Retries {
    /// No response.
    pub(crate) no_response: u64,
    /// 503: the rating was not sent to the broker.
    pub(crate) unavailable: u64,
    /// 504: the rating may be in the log.
    pub(crate) unknown: u64,
    /// Any other 5xx.
    pub(crate) other: u64,
}

impl Retries {
    /// The total.
    pub(crate) fn sum(self) -> u64 {
        self.no_response + self.unavailable + self.unknown + self.other
    }
}

/// The ledger of the load.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    states: Vec<State>,
    acknowledged: usize,
    pub(crate) retries: Retries,
}

impl Ledger {
    /// The number of the next rating; `None` if the ledger is full.
    pub(crate) fn next(&mut self) -> Option<u64> {
        if self.states.len() >= RATINGS_MAX {
            return None;
        }
        self.states.push(State::Open);
        Some(self.states.len() as u64 - 1)
    }

    /// Records the acknowledgement of a rating.
    pub(crate) fn acknowledge(&mut self, number: u64, location: Option<RecordLocation>) {
        let state = &mut self.states[number as usize];
        if *state == State::Open {
            self.acknowledged += 1;
        }
        *state = State::Acknowledged(location);
    }

    /// The state of a rating; `None` if it was never sent.
    pub(crate) fn state(&self, number: u64) -> Option<State> {
        self.states.get(usize::try_from(number).ok()?).copied()
    }

    /// The number of ratings sent.
    pub(crate) fn sent(&self) -> usize {
        self.states.len()
    }

    /// The number of ratings acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// The last `count` acknowledged ratings, newest first.
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
    fn unacknowledged_rating_stays_open() {
        let mut ledger = Ledger::default();
        let numbers: Vec<u64> = (0..4).map(|_| ledger.next().unwrap()).collect();
        let location = RecordLocation { partition: 3, offset: 7 };
        ledger.acknowledge(numbers[1], Some(location));
        ledger.acknowledge(numbers[3], None);
        ledger.acknowledge(numbers[3], None);
        assert_eq!((ledger.sent(), ledger.acknowledged()), (4, 2));
        assert_eq!(ledger.state(0), Some(State::Open));
        assert_eq!(ledger.state(1), Some(State::Acknowledged(Some(location))));
        assert_eq!(ledger.state(4), None);
        assert_eq!(ledger.newest_acknowledged(9), [3, 1]);
        assert_eq!(ledger.newest_acknowledged(1), [3]);
    }
}
