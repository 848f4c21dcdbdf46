//! State shared by the threads of a campaign.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::fault::{CONSUMERS, PARTITIONS};
use super::recovery::Recoveries;
use super::violation::{Guarantee, Violations};
use crate::ratings::ledger::Ledger;
use crate::ratings::rating::Ratings;

/// Poll interval of a waiting thread.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// State shared by the threads of a campaign.
pub(super) struct Shared {
    pub(super) ratings: Ratings,
    ledger: Mutex<Ledger>,
    recoveries: Mutex<Recoveries>,
    violations: Mutex<Violations>,
    /// No new ratings are sent; outstanding ones are retried.
    load_stopped: AtomicBool,
    /// Number of board polls.
    pub(super) polls: AtomicU64,
    /// Every thread exits.
    stopping: AtomicBool,
    interrupted: AtomicBool,
    workers: AtomicUsize,
}

impl Shared {
    pub(super) fn new(ratings: Ratings) -> Self {
        Self {
            ratings,
            ledger: Mutex::default(),
            recoveries: Mutex::new(Recoveries::new(CONSUMERS, PARTITIONS as usize)),
            violations: Mutex::default(),
            load_stopped: AtomicBool::new(false),
            polls: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
            workers: AtomicUsize::new(0),
        }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(super) fn recoveries(&self) -> MutexGuard<'_, Recoveries> {
        lock(&self.recoveries)
    }

    /// Records a violation, and prints the first one of each guarantee.
    pub(super) fn violated(&self, guarantee: Guarantee, proof: impl Into<String>) {
        let proof = proof.into();
        let mut violations = lock(&self.violations);
        if violations.count(guarantee) == 0 {
            println!("  VIOLATED: {}: {proof}", guarantee.description());
        }
        violations.add(guarantee, proof);
    }

    /// The violations so far.
    pub(super) fn violations(&self) -> Violations {
        lock(&self.violations).clone()
    }

    pub(super) fn stop_load(&self) {
        self.load_stopped.store(true, Ordering::Release);
    }

    pub(super) fn load_stopped(&self) -> bool {
        self.load_stopped.load(Ordering::Acquire) || self.is_stopping()
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Stops the campaign at the user's request.
    pub(super) fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Release);
        self.stop();
    }

    pub(super) fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
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

    /// Sleeps until `then`; false if the campaign is stopping.
    pub(super) fn sleep_until(&self, then: Instant) -> bool {
        self.wait(then, || false);
        !self.is_stopping()
    }

    /// Polls `done` until it is true, until the deadline or until the campaign stops. Returns
    /// whether it was true.
    pub(super) fn wait(&self, until: Instant, mut done: impl FnMut() -> bool) -> bool {
        loop {
            if done() {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.is_stopping() {
                return false;
            }
            std::thread::sleep(left.min(POLL_INTERVAL));
        }
    }
}

/// Counts a load worker.
pub(super) struct WorkerGuard<'a>(&'a Shared);

impl Drop for WorkerGuard<'_> {
    fn drop(&mut self) {
        self.0.workers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Stops all threads when its scope is left in any way; the thread scope would otherwise never end.
pub(super) struct StopOnDrop<'a>(pub(super) &'a Shared);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Locks a mutex and ignores poisoning: the panic itself fails the campaign.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
