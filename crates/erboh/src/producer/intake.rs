//! Intake: the one way by which ratings get onto the queue.
//!
//! ```text
//!  Batch ─► Budget ─room─► a task: Writer, acks=all ─► results, numbers, bytes given back
//!             └─none──► Busy (429), or back pressure on the socket of a stream
//! ```
//!
//! The task outlives whoever waits for it: a client that goes away neither takes back what it has
//! sent nor frees bytes that the queue still holds.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::Instrument as _;

use super::budget::{Budget, Patience, Permit};
use super::metrics::Metrics;
use super::ratings;
use crate::limits;
use crate::queue::{Batch, SendError, SendResult, Writer};
use crate::telemetry::spans;
use crate::web::{Problem, kinds};

/// Takes batches of checked ratings, as many as may be in flight. Clones share the budget.
#[derive(Clone)]
pub(super) struct Intake {
    writer: Writer,
    budget: Budget,
    metrics: Metrics,
}

/// The queue works, and as much is on its way to it as may be: come back later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many ratings are on their way to the queue; send more slowly")]
pub(super) struct Busy;

impl From<Busy> for Problem {
    fn from(busy: Busy) -> Self {
        Problem::new(kinds::TOO_BUSY, format!("Nothing was sent: {busy}, and try this again."))
            .retry_after(limits::BUSY_RETRY_AFTER)
    }
}

/// Says no, after a moment in which the client cannot ask again.
async fn refused() -> Busy {
    sleep(limits::REFUSAL_PAUSE).await;
    Busy
}

/// A batch on its way. Whoever drops it does not learn what becomes of the records.
pub(super) struct Sending {
    results: JoinHandle<Vec<SendResult>>,
    records: usize,
    /// Before this nobody is told that the queue is out of reach.
    refused_from: Instant,
}

impl Sending {
    /// What became of each record, in their order, after [`limits::SEND`] at the latest.
    pub(super) async fn results(self) -> Vec<SendResult> {
        let unknown = || SendError::Unknown("the producer stopped before it was told".into());
        let results = self.results.await.unwrap_or_else(|_| vec![Err(unknown()); self.records]);
        if let Some(Err(SendError::Unavailable(_))) = results.first() {
            sleep_until(self.refused_from).await;
        }
        results
    }

    /// The same sending, whose results `note` is told even if nobody waits for them any more.
    pub(super) fn noted(self, note: impl FnOnce(&[SendResult]) + Send + 'static) -> Self {
        let (records, refused_from) = (self.records, self.refused_from);
        let noting = async move {
            let results = self.results().await;
            note(&results);
            results
        };
        Self { results: tokio::spawn(noting), records, refused_from }
    }
}

impl Intake {
    pub(super) fn new(writer: Writer, metrics: Metrics) -> Self {
        Self { writer, budget: Budget::default(), metrics }
    }

    /// Refuses a stream that would find no room or no queue, before any work is spent on it.
    pub(super) async fn admit(&self) -> Result<(), Problem> {
        let refused_from = Instant::now() + limits::REFUSAL_PAUSE;
        if let Err(reason) = self.reach(limits::SEND / 2).await {
            sleep_until(refused_from).await;
            return Err(ratings::problem(&SendError::Unavailable(reason)));
        }
        if self.budget.has_room_for_bulk().await {
            return Ok(());
        }
        Err(refused().await.into())
    }

    /// Waits for the queue while it has been out of reach for less than this; the reason why it still is.
    pub(super) async fn reach(&self, outage_max: Duration) -> Result<(), Arc<str>> {
        let reached = self.writer.reachable(outage_max).await;
        reached.map_err(|error| match error {
            SendError::Unavailable(reason) => reason,
            other => other.to_string().into(),
        })
    }

    /// Takes a batch of at most 65,536 records if there is room within [`limits::BUDGET_WAIT`]. That the queue is out of
    /// reach is told after [`limits::REFUSAL_PAUSE`] at the earliest.
    pub(super) async fn accept(&self, batch: Batch) -> Result<Sending, Busy> {
        let permit = self.budget.acquire(&batch, Patience::Brief).await;
        // Without room because nothing leaves: the queue is to blame, and the answer says so.
        if permit.is_none() && self.writer.health().is_ok() {
            drop(batch);
            return Err(refused().await);
        }
        let sending = self.start(batch, permit);
        let refused_from = sending.refused_from + limits::REFUSAL_PAUSE;
        Ok(Sending { refused_from, ..sending })
    }

    /// The same for a stream, which holds its client back until there is room.
    pub(super) async fn accept_waiting(&self, batch: Batch) -> Sending {
        let permit = self.budget.acquire(&batch, Patience::Endless).await;
        self.start(batch, permit)
    }

    /// The same for a simulation, which waits only for room among simulations.
    pub(super) async fn accept_simulated(&self, batch: Batch) -> Sending {
        let permit = self.budget.acquire_simulated(&batch).await;
        self.start(batch, permit)
    }

    /// Whether the queue is in reach.
    pub(super) fn is_connected(&self) -> bool {
        self.writer.health().is_ok()
    }

    /// Memory of what is on its way to the queue.
    pub(super) fn bytes_in_flight(&self) -> usize {
        self.budget.in_use()
    }

    /// Without a permit the batch is answered without being sent.
    fn start(&self, batch: Batch, permit: Option<Permit>) -> Sending {
        let (Self { writer, metrics, .. }, records) = (self.clone(), batch.len());
        let started = Instant::now();
        let step = spans::send(writer.topic(), records);
        let sending = async move {
            let results = if permit.is_some() {
                writer.send_batch(batch, limits::SEND).await
            } else {
                let reason = writer.health().err().unwrap_or_default().into();
                vec![Err(SendError::Unavailable(reason)); records]
            };
            metrics.sent(&results, started.elapsed());
            drop(permit);
            results
        };
        // What is logged meanwhile belongs to the request, although the task outlives it.
        let results = tokio::spawn(sending.in_current_span().instrument(step));
        Sending { results, records, refused_from: started }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::KafkaSettings;

    #[tokio::test]
    async fn in_a_long_outage_nobody_can_ask_again_at_once() {
        let writer = Writer::connect(&KafkaSettings::new("127.0.0.1:1"), "t").expect("a writer");
        let intake = Intake::new(writer, Metrics::default());
        let long = async {
            while intake.reach(limits::SEND / 2).await.is_ok() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(4 * limits::SEND, long).await.expect("nothing listens there");
        let earliest = Instant::now() + limits::REFUSAL_PAUSE;
        assert_eq!(intake.admit().await.expect_err("away").kind, kinds::QUEUE_UNAVAILABLE);
        assert!(Instant::now() >= earliest);
        let mut batch = Batch::new();
        batch.push(b"", b"");
        let earliest = Instant::now() + limits::REFUSAL_PAUSE;
        let sending = intake.accept(batch).await.expect("room");
        let results = sending.noted(|_| ()).results().await;
        assert!(matches!(results[..], [Err(SendError::Unavailable(_))]), "{results:?}");
        assert!(Instant::now() >= earliest);
    }
}
