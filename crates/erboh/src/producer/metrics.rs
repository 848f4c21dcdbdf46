//! The producer's numbers: what became of the ratings, and how long the queue took.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::queue::{SendError, SendResult};

/// Upper bounds of the time to acknowledge, in seconds: from a local disk to the time-out.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Numbers of one producer. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    ratings: Family<Outcome, Counter>,
    seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let ratings = Family::default();
        // A series that is there from the start shows "0", and a rate of it is right at once.
        for outcome in ["acknowledged", "unavailable", "unknown", "too_large", "refused"] {
            drop(ratings.get_or_create(&Outcome { outcome }));
        }
        Self { ratings, seconds: Histogram::new(SECONDS) }
    }
}

impl Metrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("ratings", "Ratings by what became of them", self.ratings.clone());
        registry.register_with_unit(
            "send",
            "Time until a batch of ratings was acknowledged or given up",
            Unit::Seconds,
            self.seconds.clone(),
        );
    }

    pub(super) fn sent(&self, results: &[SendResult], took: Duration) {
        for result in results {
            let outcome = match result {
                Ok(_) => "acknowledged",
                Err(SendError::Unavailable(_)) => "unavailable",
                Err(SendError::Unknown(_)) => "unknown",
                Err(SendError::TooLarge) => "too_large",
                Err(SendError::Refused(_)) => "refused",
            };
            self.ratings.get_or_create(&Outcome { outcome }).inc();
        }
        self.seconds.observe(took.as_secs_f64());
    }
}
