//! Counts: what became of ratings that were handed to the queue.

use std::ops::AddAssign;

use serde::Serialize;
use utoipa::ToSchema;

use crate::queue::{SendError, SendResult};

/// Ratings by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SimulationCounts)]
pub(super) struct Counts {
    /// Ratings that are on the queue.
    #[schema(minimum = 0)]
    pub(super) acknowledged: u64,
    /// Ratings that are not on the queue, because it was out of reach.
    #[schema(minimum = 0)]
    pub(super) failed: u64,
    /// Ratings that may be on the queue: it did not answer. They are not sent again.
    #[schema(minimum = 0)]
    pub(super) unknown: u64,
    /// Ratings that the queue refuses, and would refuse again.
    #[schema(minimum = 0)]
    pub(super) refused: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.acknowledged += more.acknowledged;
        self.failed += more.failed;
        self.unknown += more.unknown;
        self.refused += more.refused;
    }
}

impl Counts {
    /// All that are not known to be on the queue.
    pub(super) fn others(self) -> u64 {
        self.failed + self.unknown + self.refused
    }
}

/// What became of the ratings of one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) counts: Counts,
    /// One of the errors, if there was any.
    pub(super) error: Option<String>,
}

impl Outcome {
    pub(super) fn new(results: &[SendResult]) -> Self {
        let Self { mut counts, mut error } = Self::default();
        for result in results {
            let Err(reason) = result else {
                counts.acknowledged += 1;
                continue;
            };
            match reason {
                SendError::Unavailable(_) => counts.failed += 1,
                SendError::Unknown(_) => counts.unknown += 1,
                SendError::TooLarge | SendError::Refused(_) => counts.refused += 1,
            }
            if error.is_none() {
                error = Some(reason.to_string());
            }
        }
        Self { counts, error }
    }

    /// The queue has taken nothing, and would take nothing if it were sent again.
    pub(super) fn is_refusal(&self) -> bool {
        let Counts { acknowledged, failed, unknown, refused } = self.counts;
        refused > 0 && acknowledged + failed + unknown == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Placed;

    #[test]
    fn every_rating_of_a_batch_has_one_outcome() {
        let place = Ok(Placed { partition: 0, offset: 1 });
        let failed = Err(SendError::Unavailable("no broker".into()));
        let unknown = Err(SendError::Unknown("no answer".into()));
        let refused = Err(SendError::Refused("no right".into()));
        let outcome = Outcome::new(&[place.clone(), failed, unknown, refused.clone(), place]);
        let counts = Counts { acknowledged: 2, failed: 1, unknown: 1, refused: 1 };
        let expected = Outcome { counts, error: Some("not written: no broker".into()) };
        assert_eq!(outcome, expected);
        assert!(!outcome.is_refusal());
        assert!(Outcome::new(&[refused, Err(SendError::TooLarge)]).is_refusal());
        assert!(!Outcome::new(&[]).is_refusal());
    }
}
