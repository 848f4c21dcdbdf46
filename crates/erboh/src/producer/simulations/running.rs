//! Running: the task that carries a simulation out.
//!
//! ```text
//!  ┌─► look: what is due? ─► batches, each in a place of its own ─► results ─► counts
//!  │     └ wait for the next moment, another rate, or the stop         │
//!  └── one rating at a time, with pauses ◄── the queue has taken nothing of a batch
//! ```
//!
//! While the queue is out of reach, the schedule stands still: what was not due for want of a queue
//! is not made good afterwards.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::counts::Outcome;
use super::history::History;
use super::limits;
use super::pace::Pace;
use super::simulation::Simulation;
use super::view::Phase;
use crate::producer::intake::Intake;
use crate::queue::Batch;
use crate::rating::RatingId;
use crate::rating::simulate::Researchers;

/// Carries `simulation` out to its end. Whatever ends it, what was sent is accounted for by then.
pub(super) async fn run(simulation: Arc<Simulation>, intake: Intake, history: History) {
    let mut running = Running::new(simulation, intake, history);
    let end = running.carry_out().await;
    // All places are free when nothing is in flight any more.
    let _ = running.places.acquire_many(limits::IN_FLIGHT).await;
    let (phase, error) = match (end, running.outage().refusal.take()) {
        (_, Some(refusal)) => (Phase::Failed, Some(refusal)),
        (end, None) => (end, None),
    };
    running.simulation.end(phase, error);
}

struct Running {
    simulation: Arc<Simulation>,
    intake: Intake,
    history: History,
    researchers: Researchers,
    pace: Pace,
    /// Ratings that are still to be sent, if they are counted.
    left: Option<u64>,
    places: Arc<Semaphore>,
    outage: Arc<Mutex<Outage>>,
}

/// What the last batch has said about the queue.
#[derive(Default)]
struct Outage {
    /// It took nothing of the last batch; it is tried again after this pause.
    pause: Option<Duration>,
    /// It refuses the ratings, and would do so again.
    refusal: Option<String>,
}

impl Outage {
    fn learn(&mut self, outcome: &Outcome) {
        if outcome.is_refusal() {
            self.refusal.clone_from(&outcome.error);
        } else if outcome.counts.acknowledged > 0 {
            self.pause = None;
        } else if self.pause.is_none() {
            self.pause = Some(limits::PAUSE_MIN);
        }
    }
}

impl Running {
    fn new(simulation: Arc<Simulation>, intake: Intake, history: History) -> Self {
        let researchers = Researchers::new(simulation.seed);
        Self {
            researchers: match simulation.order.researchers {
                Some(count) => researchers.named(count),
                None => researchers,
            },
            pace: Pace::new(simulation.order.rate),
            left: simulation.order.count,
            places: Arc::new(Semaphore::new(limits::IN_FLIGHT as usize)),
            outage: Arc::default(),
            simulation,
            intake,
            history,
        }
    }

    /// Sends until the order is carried out, the queue refuses, or somebody stops it.
    async fn carry_out(&mut self) -> Phase {
        loop {
            let now = self.now();
            if self.outage().refusal.is_some() {
                return Phase::Failed;
            }
            let pause = self.outage().pause;
            if let Some(pause) = pause {
                if !self.probe(pause).await {
                    return self.ended_by();
                }
            } else if !self.send_due(now).await {
                return Phase::Stopped;
            }
            let is_over = self.simulation.order.duration().is_some_and(|end| now >= end);
            if is_over || self.left == Some(0) {
                return Phase::Finished;
            }
            if !self.wait(now).await {
                return Phase::Stopped;
            }
        }
    }

    /// The time since the start. Nothing is due after the end.
    fn now(&self) -> Duration {
        let end = self.simulation.order.duration().unwrap_or(Duration::MAX);
        self.simulation.elapsed().min(end)
    }

    /// Sends all that is due, as far as there are places; false when it was stopped meanwhile.
    async fn send_due(&mut self, now: Duration) -> bool {
        let mut due = self.pace.due(now).min(self.left.unwrap_or(u64::MAX));
        while due > 0 && self.outage().pause.is_none() {
            let places = Arc::clone(&self.places);
            let stop = self.simulation.stop.clone();
            let Some(Ok(place)) = stop.run_until_cancelled(places.acquire_owned()).await else {
                return false;
            };
            let ratings = due.min(limits::BATCH_RATINGS);
            let batch = self.batch(ratings);
            tokio::spawn(self.deliver(batch, Some(place)));
            due -= ratings;
        }
        true
    }

    /// After a pause, sends one rating and waits for what becomes of it; false when the simulation
    /// has come to its end meanwhile.
    async fn probe(&mut self, pause: Duration) -> bool {
        let time_left = self.simulation.order.duration().map(|end| end.saturating_sub(self.now()));
        let pausing = tokio::time::sleep(pause.min(time_left.unwrap_or(pause)));
        let stop = self.simulation.stop.clone();
        if stop.run_until_cancelled(pausing).await.is_none() || time_left == Some(Duration::ZERO) {
            return false;
        }
        self.pace.slip(self.now());
        let batch = self.batch(1);
        self.deliver(batch, None).await;
        let mut outage = self.outage();
        // Still there: that was a try for nothing.
        outage.pause = outage.pause.map(|pause| (pause * 2).min(limits::PAUSE_MAX));
        true
    }

    /// Whether somebody has stopped it, or its time is up.
    fn ended_by(&self) -> Phase {
        if self.simulation.stop.is_cancelled() { Phase::Stopped } else { Phase::Finished }
    }

    /// Waits until something is due, or somebody wants another rate; false when it is to stop.
    async fn wait(&mut self, now: Duration) -> bool {
        if self.outage().pause.is_some() {
            return !self.simulation.stop.is_cancelled();
        }
        let mut progress = self.simulation.watch();
        let old = self.pace.rate();
        let changed = progress.wait_for(|progress| progress.rate != old);
        let end = self.simulation.order.duration().unwrap_or(Duration::MAX);
        let pause = self
            .pace
            .next()
            .max(now + limits::TICK)
            .min(end)
            .saturating_sub(self.simulation.elapsed());
        let rate = tokio::select! {
            () = self.simulation.stop.cancelled() => return false,
            () = tokio::time::sleep_until(Instant::now() + pause) => None,
            changed = changed => changed.ok().map(|progress| progress.rate),
        };
        if let Some(rate) = rate {
            self.pace.change(rate, self.now());
        }
        true
    }

    /// The next ratings, each with a new id.
    fn batch(&mut self, ratings: u64) -> Batch {
        let (mut batch, mut text) = (Batch::new(), [0; 36]);
        let mut id = RatingId::new();
        for _ in 0..ratings {
            let opinion = self.researchers.opinion();
            let key = id.encode(&mut text).as_bytes();
            batch.push_with(key, |bytes| opinion.write_json(id, bytes));
            id = id.next();
        }
        self.pace.take(ratings);
        self.left = self.left.map(|left| left - ratings);
        self.simulation.sent(ratings);
        batch
    }

    /// Hands a batch to the queue and does the books on what becomes of it. Its place is free after
    /// that.
    fn deliver(
        &self,
        batch: Batch,
        place: Option<OwnedSemaphorePermit>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (simulation, history) = (Arc::clone(&self.simulation), self.history.clone());
        let (intake, outage) = (self.intake.clone(), Arc::clone(&self.outage));
        async move {
            let results = intake.accept_simulated(batch).await.results().await;
            let outcome = Outcome::new(&results);
            outage.lock().unwrap_or_else(PoisonError::into_inner).learn(&outcome);
            history.add(outcome.counts);
            simulation.told(&outcome);
            drop(place);
        }
    }

    fn outage(&self) -> MutexGuard<'_, Outage> {
        // Both fields are complete at any moment.
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
