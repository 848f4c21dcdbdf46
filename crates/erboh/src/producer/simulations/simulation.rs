//! Simulation: one order, how far it is, and the two things that can be asked of it: another rate,
//! and to stop.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;

use super::order::Order;
use super::rate::Rate;
use crate::queue::{SendError, SendResult};

/// Where a simulation is in its life. It starts as running and ends in one of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SimulationState)]
pub(super) enum State {
    /// It sends, or waits for the queue.
    Running,
    /// All that was ordered has been sent, and what became of it is known.
    Finished,
    /// It was told to stop, or the service stops.
    Stopped,
    /// It broke off, and `last_error` says why: the queue refuses its ratings and would do so again.
    Failed,
}

impl State {
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

/// What became of the ratings of a simulation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
    pub(super) failed: u64,
    pub(super) unknown: u64,
    pub(super) refused: u64,
}

/// How far a simulation is.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) state: State,
    pub(super) rate: Rate,
    pub(super) counts: Counts,
    pub(super) last_error: Option<String>,
    /// Grows with every change.
    pub(super) revision: u64,
    /// When it ended, since its start.
    ended: Option<Duration>,
}

/// One simulation. Everybody who looks at it shares it with the task that runs it.
#[derive(Debug)]
pub(super) struct Simulation {
    pub(super) id: Uuid,
    pub(super) order: Order,
    pub(super) seed: u64,
    started: Instant,
    started_ms: u64,
    progress: watch::Sender<Progress>,
    /// Told whenever any simulation changes.
    news: watch::Sender<()>,
    /// Cancelled when it is to stop.
    pub(super) stop: CancellationToken,
}

/// A simulation as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Simulation)]
pub(super) struct View {
    /// Names this simulation.
    pub(super) id: Uuid,
    pub(super) state: State,
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

impl Simulation {
    /// A simulation that starts now, and stops at the latest when `parent` is cancelled.
    pub(super) fn new(order: Order, news: watch::Sender<()>, parent: &CancellationToken) -> Self {
        // Half of 64 bits would do; 53 survive every JSON reader.
        let drawn = || Uuid::new_v4().as_u64_pair().0 >> 11;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let progress = Progress {
            state: State::Running,
            rate: order.rate,
            counts: Counts::default(),
            last_error: None,
            revision: 0,
            ended: None,
        };
        Self {
            id: Uuid::now_v7(),
            seed: order.seed.unwrap_or_else(drawn),
            order,
            started: Instant::now(),
            started_ms: since_1970.as_millis() as u64,
            progress: watch::Sender::new(progress),
            news,
            stop: parent.child_token(),
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn is_running(&self) -> bool {
        self.progress.borrow().state == State::Running
    }

    /// Where every change of its progress is seen.
    pub(super) fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Waits until it has ended and nothing of it is in flight; answers how it ended.
    pub(super) async fn ended(&self) -> State {
        let mut progress = self.progress.subscribe();
        let ended = progress.wait_for(|progress| progress.state != State::Running).await;
        // The sender lives as long as `self`.
        ended.map_or(State::Stopped, |progress| progress.state)
    }

    /// Goes on at another rate; false if it does not run any more.
    pub(super) fn change(&self, rate: Rate) -> bool {
        self.modify(|progress| {
            let running = progress.state == State::Running;
            if running {
                progress.rate = rate;
            }
            running
        })
    }

    /// Notes that so many ratings are on their way.
    pub(super) fn sent(&self, ratings: u64) {
        self.modify(|progress| progress.counts.sent += ratings);
    }

    /// Notes what became of a batch.
    pub(super) fn told(&self, outcome: &Outcome) {
        self.modify(|progress| {
            progress.counts.acknowledged += outcome.acknowledged;
            progress.counts.failed += outcome.failed;
            progress.counts.unknown += outcome.unknown;
            progress.counts.refused += outcome.refused;
            if outcome.error.is_some() {
                progress.last_error.clone_from(&outcome.error);
            }
        });
    }

    /// Notes its end.
    pub(super) fn end(&self, state: State, error: Option<String>) {
        let elapsed = self.elapsed();
        self.modify(|progress| {
            progress.state = state;
            progress.ended = Some(elapsed);
            if error.is_some() {
                progress.last_error = error;
            }
        });
    }

    fn modify<T: Default>(&self, change: impl FnOnce(&mut Progress) -> T) -> T {
        let mut answer = T::default();
        self.progress.send_modify(|progress| {
            answer = change(progress);
            progress.revision += 1;
        });
        self.news.send_replace(());
        answer
    }

    /// Says in the log what it did.
    pub(super) fn report(&self, occasion: &'static str) {
        let view = self.view();
        tracing::info!(
            simulation = %view.id,
            state = view.state.name(),
            rate = %view.rate,
            sent = view.sent,
            acknowledged = view.acknowledged,
            failed = view.failed,
            unknown = view.unknown,
            refused = view.refused,
            ratings_per_s = view.actual_rate,
            last_error = view.last_error,
            "{occasion}"
        );
    }

    /// What it looks like now.
    pub(super) fn view(&self) -> View {
        let Progress { state, rate, counts, last_error, ended, .. } =
            self.progress.borrow().clone();
        let Counts { sent, acknowledged, failed, unknown, refused } = counts;
        let elapsed = ended.unwrap_or_else(|| self.elapsed());
        View {
            id: self.id,
            state,
            count: self.order.count,
            duration_ms: self.order.duration_ms,
            rate,
            seed: self.seed,
            researchers: self.order.researchers,
            sent,
            acknowledged,
            failed,
            unknown,
            refused,
            started_ms: self.started_ms,
            elapsed_ms: elapsed.as_millis() as u64,
            actual_rate: per_second(acknowledged, elapsed),
            last_error,
        }
    }
}

/// To one decimal: more would only flicker. Within the first moment it is no rate yet.
fn per_second(ratings: u64, time: Duration) -> f64 {
    if time < Duration::from_millis(1) {
        return 0.0;
    }
    (ratings as f64 / time.as_secs_f64() * 10.0).round() / 10.0
}

/// What became of the ratings of one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) acknowledged: u64,
    pub(super) failed: u64,
    pub(super) unknown: u64,
    pub(super) refused: u64,
    /// One of the errors, if there was any.
    pub(super) error: Option<String>,
}

impl Outcome {
    pub(super) fn new(results: &[SendResult]) -> Self {
        let mut outcome = Self::default();
        for result in results {
            let Err(error) = result else {
                outcome.acknowledged += 1;
                continue;
            };
            match error {
                SendError::Unavailable(_) => outcome.failed += 1,
                SendError::Unknown(_) => outcome.unknown += 1,
                SendError::TooLarge | SendError::Refused(_) => outcome.refused += 1,
            }
            if outcome.error.is_none() {
                outcome.error = Some(error.to_string());
            }
        }
        outcome
    }

    /// The queue has taken nothing, and would take nothing if it were sent again.
    pub(super) fn is_refusal(&self) -> bool {
        self.refused > 0 && self.acknowledged + self.failed + self.unknown == 0
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
        let expected = Outcome {
            acknowledged: 2,
            failed: 1,
            unknown: 1,
            refused: 1,
            error: Some("not written: no broker".into()),
        };
        assert_eq!(outcome, expected);
        assert!(!outcome.is_refusal());
        assert!(Outcome::new(&[refused, Err(SendError::TooLarge)]).is_refusal());
        assert!(!Outcome::new(&[]).is_refusal());
    }
}
