//! View: a simulation as whoever looks at it sees it, on the page and as JSON.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::counts::Counts;
use super::rate::Rate;

/// Where a simulation is in its life. It starts as running and ends in one of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SimulationState)]
pub(super) enum Phase {
    /// It sends, or waits for the queue.
    Running,
    /// All that was ordered has been sent, and what became of it is known.
    Finished,
    /// It was told to stop, or the service stops.
    Stopped,
    /// It broke off, and `last_error` says why: the queue refuses its ratings and would do so again.
    Failed,
}

impl Phase {
    /// As it is called in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// A simulation as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Simulation)]
pub(super) struct View {
    /// Names this simulation.
    pub(super) id: Uuid,
    pub(super) state: Phase,
    /// As ordered: ratings to send.
    #[schema(minimum = 1)]
    pub(super) count: Option<u64>,
    /// As ordered: its time in ms.
    #[schema(minimum = 1)]
    pub(super) duration_ms: Option<u64>,
    /// Ratings per second that it is to send now.
    #[schema(value_type = f64)]
    pub(super) rate: Rate,
    /// What the ratings are drawn from.
    #[schema(minimum = 0)]
    pub(super) seed: u64,
    /// As ordered: researchers with names of their own.
    #[schema(minimum = 1)]
    pub(super) researchers: Option<u32>,
    /// Ratings handed to the queue: those below, and those still on their way.
    #[schema(minimum = 0)]
    pub(super) sent: u64,
    #[serde(flatten)]
    pub(super) counts: Counts,
    /// When it started, in ms since 1970 (UTC).
    #[schema(minimum = 0)]
    pub(super) started_ms: u64,
    /// How long it has run, in ms.
    #[schema(minimum = 0)]
    pub(super) elapsed_ms: u64,
    /// Acknowledged ratings per second, since its start.
    #[schema(minimum = 0)]
    pub(super) actual_rate: f64,
    /// What went wrong last, if anything did.
    pub(super) last_error: Option<String>,
}

/// To one decimal: more would only flicker. Within the first moment it is no rate yet.
pub(super) fn per_second(ratings: u64, time: Duration) -> f64 {
    if time < Duration::from_millis(1) {
        return 0.0;
    }
    (ratings as f64 / time.as_secs_f64() * 10.0).round() / 10.0
}
