//! Shared: what the threads of a campaign have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::fault::{CONSUMERS, PARTITIONS};
use super::recovery::Recoveries;
use super::violation::{Promise, Violations};
use crate::ratings::ledger::Ledger;
use crate::ratings::rating::Ratings;

/// How often a thread that waits looks whether it should go on waiting.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the threads of a campaign have in common.
pub(super) struct Shared {
    pub(super) ratings: Ratings,
    ledger: Mutex<Ledger>,
    recoveries: Mutex<Recoveries>,
    violations: Mutex<Violations>,
    /// No new ratings; those under way are brought to an end.
    load_ends: AtomicBool,
    /// How often a board was looked at.
    pub(super) looks: AtomicU64,
    /// Every thread ends.
    over: AtomicBool,
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
            load_ends: AtomicBool::new(false),
            looks: AtomicU64::new(0),
            over: AtomicBool::new(false),
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

    /// Notes a violation.
    pub(super) fn violated(&self, promise: Promise, proof: impl Into<String>) {
        let proof = proof.into();
        let mut violations = lock(&self.violations);
        if violations.count(promise) == 0 {
            println!("  VIOLATED: {}: {proof}", promise.words());
        }
        violations.add(promise, proof);
    }

    /// What was found so far.
    pub(super) fn violations(&self) -> Violations {
        lock(&self.violations).clone()
    }

    pub(super) fn end_load(&self) {
        self.load_ends.store(true, Ordering::Release);
    }

    pub(super) fn load_ends(&self) -> bool {
        self.load_ends.load(Ordering::Acquire) || self.is_over()
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Ends everything because a person wants so.
    pub(super) fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Release);
        self.end();
    }

    pub(super) fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
    }

    /// Counts one worker of the load until the answer is dropped.
    pub(super) fn working(&self) -> Working<'_> {
        self.workers.fetch_add(1, Ordering::AcqRel);
        Working(self)
    }

    /// Workers that still bring ratings to an end.
    pub(super) fn workers(&self) -> usize {
        self.workers.load(Ordering::Acquire)
    }

    /// Sleeps until then. False if everything was ended before.
    pub(super) fn sleep_until(&self, then: Instant) -> bool {
        self.wait(then, || false);
        !self.is_over()
    }

    /// Waits until `done`, until that time or until everything ends. Answers whether it was done.
    pub(super) fn wait(&self, until: Instant, mut done: impl FnMut() -> bool) -> bool {
        loop {
            if done() {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.is_over() {
                return false;
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
    }
}

/// A worker of the load.
pub(super) struct Working<'a>(&'a Shared);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.workers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Ends all threads however its scope is left; the scope would wait for them for ever.
pub(super) struct EndOnDrop<'a>(pub(super) &'a Shared);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A lock whose holder panicked is taken all the same: the campaign fails by the panic itself.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
