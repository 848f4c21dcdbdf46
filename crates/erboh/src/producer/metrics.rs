//! The producer's numbers: what became of the ratings, and how long the queue took.

use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::intake::Intake;
use crate::limits;
use crate::queue::{SendError, SendResult};

/// Upper bounds of the time to acknowledge, in seconds: from a local disk to the time-out.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// What may become of a rating.
const OUTCOMES: [&str; 5] = ["acknowledged", "unavailable", "unknown", "too_large", "refused"];

fn outcome(result: &SendResult) -> usize {
    match result {
        Ok(_) => 0,
        Err(SendError::Unavailable(_)) => 1,
        Err(SendError::Unknown(_)) => 2,
        Err(SendError::TooLarge) => 3,
        Err(SendError::Refused(_)) => 4,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Numbers of one producer. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    ratings: Family<Outcome, Counter>,
    seconds: Histogram,
    /// Simulations that run.
    pub(super) simulations: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let ratings = Family::default();
        // A series that is there from the start shows "0", and a rate of it is right at once.
        for outcome in OUTCOMES {
            drop(ratings.get_or_create(&Outcome { outcome }));
        }
        Self { ratings, seconds: Histogram::new(SECONDS), simulations: Gauge::default() }
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
        registry.register(
            "simulations_running",
            "Simulations that send ratings or wait for the queue to do so",
            self.simulations.clone(),
        );
    }

    /// Notes what became of a batch. Its records are summed up first: a batch may have many.
    pub(super) fn sent(&self, results: &[SendResult], took: Duration) {
        let mut counts = [0; OUTCOMES.len()];
        for result in results {
            counts[outcome(result)] += 1;
        }
        for (outcome, count) in OUTCOMES.into_iter().zip(counts).filter(|(_, count)| *count > 0) {
            self.ratings.get_or_create(&Outcome { outcome }).inc_by(count);
        }
        self.seconds.observe(took.as_secs_f64());
    }
}

/// How the way to the queue is, looked up when somebody asks.
pub(super) struct QueueMetrics(pub(super) Intake);

impl std::fmt::Debug for QueueMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("QueueMetrics")
    }
}

impl Collector for QueueMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (connected, bytes) = (self.0.is_connected(), self.0.bytes_in_flight());
        let bytes_max =
            limits::BUDGET_SMALL_BYTES + limits::BUDGET_BULK_BYTES + limits::BUDGET_SIMULATED_BYTES;
        let gauges = [
            ("connected", "1 while the cluster is reachable.", None, i64::from(connected)),
            (
                "in_flight",
                "Memory of ratings that are on their way to the queue.",
                Some(Unit::Bytes),
                bytes as i64,
            ),
            ("in_flight_limit", "What it may be at most.", Some(Unit::Bytes), bytes_max.into()),
        ];
        for (name, help, unit, value) in gauges {
            let gauge = ConstGauge::new(value);
            let kind = gauge.metric_type();
            gauge.encode(encoder.encode_descriptor(name, help, unit.as_ref(), kind)?)?;
        }
        Ok(())
    }
}
