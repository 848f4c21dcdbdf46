//! Simulation: one order, how far it is, and the two things that can be asked of it: another rate,
//! and to stop.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::counts::{Counts, Outcome};
use super::order::Order;
use super::rate::Rate;
use super::view::{Phase, View, per_second};

/// How far a simulation is.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) phase: Phase,
    pub(super) rate: Rate,
    /// Ratings handed to the queue.
    pub(super) sent: u64,
    /// What became of them, as far as that is known.
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

impl Simulation {
    /// A simulation that starts now, and stops at the latest when `parent` is cancelled.
    pub(super) fn new(order: Order, news: watch::Sender<()>, parent: &CancellationToken) -> Self {
        // Half of 64 bits would do; 53 survive every JSON reader.
        let drawn = || Uuid::new_v4().as_u64_pair().0 >> 11;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let progress = Progress {
            phase: Phase::Running,
            rate: order.rate,
            sent: 0,
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
        self.progress.borrow().phase == Phase::Running
    }

    /// Where every change of its progress is seen.
    pub(super) fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Waits until it has ended and nothing of it is in flight; answers how it ended.
    pub(super) async fn ended(&self) -> Phase {
        let mut progress = self.progress.subscribe();
        let ended = progress.wait_for(|progress| progress.phase != Phase::Running).await;
        // The sender lives as long as `self`.
        ended.map_or(Phase::Stopped, |progress| progress.phase)
    }

    /// Goes on at another rate; false if it does not run any more.
    pub(super) fn change(&self, rate: Rate) -> bool {
        self.modify(|progress| {
            let running = progress.phase == Phase::Running;
            if running {
                progress.rate = rate;
            }
            running
        })
    }

    /// Notes that so many ratings are on their way.
    pub(super) fn sent(&self, ratings: u64) {
        self.modify(|progress| progress.sent += ratings);
    }

    /// Notes what became of a batch.
    pub(super) fn told(&self, outcome: &Outcome) {
        self.modify(|progress| {
            progress.counts += outcome.counts;
            if outcome.error.is_some() {
                progress.last_error.clone_from(&outcome.error);
            }
        });
    }

    /// Notes its end.
    pub(super) fn end(&self, phase: Phase, error: Option<String>) {
        let elapsed = self.elapsed();
        self.modify(|progress| {
            progress.phase = phase;
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
            acknowledged = view.counts.acknowledged,
            failed = view.counts.failed,
            unknown = view.counts.unknown,
            refused = view.counts.refused,
            ratings_per_s = view.actual_rate,
            last_error = view.last_error,
            "{occasion}"
        );
    }

    /// What it looks like now.
    pub(super) fn view(&self) -> View {
        let Progress { phase, rate, sent, counts, last_error, ended, .. } =
            self.progress.borrow().clone();
        let elapsed = ended.unwrap_or_else(|| self.elapsed());
        View {
            id: self.id,
            state: phase,
            count: self.order.count,
            duration_ms: self.order.duration_ms,
            rate,
            seed: self.seed,
            researchers: self.order.researchers,
            sent,
            counts,
            started_ms: self.started_ms,
            elapsed_ms: elapsed.as_millis() as u64,
            actual_rate: per_second(counts.acknowledged, elapsed),
            last_error,
        }
    }
}
