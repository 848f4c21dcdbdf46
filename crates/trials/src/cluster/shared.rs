//! State shared by the threads of the scenario: what was sent, acknowledged and shown.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::outage::OutageTimer;
use crate::ratings::ledger::{Ledger, RecordLocation, Retries};
use crate::ratings::rating::Ratings;
use crate::ratings::totals::{Position, Totals};

/// Examples kept of wrongly rejected ratings.
const REJECTIONS_MAX: usize = 5;

/// State shared by the threads of the scenario.
pub(super) struct Shared {
    pub(super) ratings: Ratings,
    ledger: Mutex<Ledger>,
    seen: Mutex<Seen>,
    load_stopped: AtomicBool,
    workers: AtomicUsize,
}

/// What is observed from outside.
struct Seen {
    acknowledgements: OutageTimer,
    responses: OutageTimer,
    progress: OutageTimer,
    /// The highest acknowledged offset of each partition.
    newest: Position,
    /// The highest position that any board has shown.
    position: Position,
    rejections: Vec<String>,
}

/// What was observed during one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Disruption {
    /// Longest time without an acknowledged rating.
    pub(super) unacknowledged: Duration,
    /// Longest time without a response of the board.
    pub(super) unavailable: Duration,
    /// Longest time without progress of the board.
    pub(super) stalled: Duration,
    pub(super) retries: Retries,
}

impl Shared {
    pub(super) fn new(ratings: Ratings) -> Self {
        let now = Instant::now();
        let seen = Seen {
            acknowledgements: OutageTimer::new(now),
            responses: OutageTimer::new(now),
            progress: OutageTimer::new(now),
            newest: Position::new(),
            position: Position::new(),
            rejections: Vec::new(),
        };
        Self {
            ratings,
            ledger: Mutex::default(),
            seen: Mutex::new(seen),
            load_stopped: AtomicBool::new(false),
            workers: AtomicUsize::new(0),
        }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(super) fn acknowledged(&self, number: u64, location: Option<RecordLocation>) {
        self.ledger().acknowledge(number, location);
        let mut seen = lock(&self.seen);
        seen.acknowledgements.record(Instant::now());
        if let Some(RecordLocation { partition, offset }) = location {
            let newest = seen.newest.entry(partition).or_default();
            *newest = offset.max(*newest);
        }
    }

    /// Records that a valid rating was rejected.
    pub(super) fn rejected(&self, proof: String) {
        let rejections = &mut lock(&self.seen).rejections;
        if rejections.len() < REJECTIONS_MAX {
            rejections.push(proof);
        }
    }

    pub(super) fn rejections(&self) -> Vec<String> {
        lock(&self.seen).rejections.clone()
    }

    /// Records what a board has shown.
    pub(super) fn shown(&self, totals: &Totals) {
        let now = Instant::now();
        let mut seen = lock(&self.seen);
        seen.responses.record(now);
        let mut moved = false;
        for (partition, at) in &totals.position {
            let known = seen.position.entry(*partition).or_default();
            moved |= at > known;
            *known = *at.max(known);
        }
        if moved {
            seen.progress.record(now);
        }
    }

    /// The highest acknowledged offsets.
    pub(super) fn newest(&self) -> Position {
        lock(&self.seen).newest.clone()
    }

    /// Whether a board has counted the records at these offsets.
    pub(super) fn is_past(&self, offsets: &Position) -> bool {
        let seen = lock(&self.seen);
        offsets.iter().all(|(partition, offset)| seen.position.get(partition) > Some(offset))
    }

    /// Takes the disruption since the last call; `before` are the retries at that time.
    pub(super) fn take_disruption(&self, before: Retries) -> Disruption {
        let retries = self.ledger().retries;
        let now = Instant::now();
        let mut seen = lock(&self.seen);
        Disruption {
            unacknowledged: seen.acknowledgements.take(now),
            unavailable: seen.responses.take(now),
            stalled: seen.progress.take(now),
            retries: Retries {
                no_response: retries.no_response - before.no_response,
                unavailable: retries.unavailable - before.unavailable,
                unknown: retries.unknown - before.unknown,
                other: retries.other - before.other,
            },
        }
    }

    /// Stops new ratings; outstanding ones are retried.
    pub(super) fn stop_load(&self) {
        self.load_stopped.store(true, Ordering::Release);
    }

    pub(super) fn load_stopped(&self) -> bool {
        self.load_stopped.load(Ordering::Acquire)
    }

    /// Counts a load worker until the guard is dropped.
    pub(super) fn worker(&self) -> WorkerGuard<'_> {
        self.workers.fetch_add(1, Ordering::AcqRel);
        WorkerGuard(self)
    }

    /// The number of load workers that have not finished.
    pub(super) fn workers(&self) -> usize {
        self.workers.load(Ordering::Acquire)
    }
}

/// Counts a load worker.
pub(super) struct WorkerGuard<'a>(&'a Shared);

impl Drop for WorkerGuard<'_> {
    fn drop(&mut self) {
        self.0.workers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Stops the load when its scope is left in any way; the thread scope would otherwise never end.
pub(super) struct StopOnDrop<'a>(pub(super) &'a Shared);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop_load();
    }
}

/// Locks a mutex and ignores poisoning: the panic itself fails the scenario.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rating_is_counted_when_any_board_has_passed_its_offset() {
        let shared = Shared::new(Ratings::new(1));
        let number = shared.ledger().next().unwrap();
        shared.acknowledged(number, Some(RecordLocation { partition: 3, offset: 7 }));
        let newest = shared.newest();
        assert_eq!(newest, Position::from([(3, 7)]));
        let shown = |at| {
            shared.shown(&Totals { position: Position::from([(3, at)]), ..Totals::default() });
            shared.is_past(&newest)
        };
        assert!(!shared.is_past(&newest));
        assert!(!shown(7));
        assert!(shown(8));
        // Another replica that lags behind.
        assert!(shown(2));
    }

    #[test]
    fn retries_are_counted_per_step() {
        let shared = Shared::new(Ratings::new(1));
        shared.ledger().retries = Retries { no_response: 5, unavailable: 1, ..Retries::default() };
        let before = Retries { no_response: 3, ..Retries::default() };
        let retries = shared.take_disruption(before).retries;
        assert_eq!(retries, Retries { no_response: 2, unavailable: 1, ..Retries::default() });
    }
}
