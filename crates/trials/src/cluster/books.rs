//! Books: what was sent and answered, and what the board has shown; shared by all threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::gauge::Gauge;
use crate::ratings::ledger::{Ledger, Place, Retries};
use crate::ratings::rating::Ratings;
use crate::ratings::totals::{Position, Totals};

/// Answers that no producer may give, of which examples are kept.
const REFUSALS_MAX: usize = 5;

/// What the threads of a story have in common.
pub(super) struct Books {
    pub(super) ratings: Ratings,
    ledger: Mutex<Ledger>,
    seen: Mutex<Seen>,
    ends: AtomicBool,
    workers: AtomicUsize,
}

/// What is seen from outside.
struct Seen {
    acknowledged: Gauge,
    answered: Gauge,
    moved: Gauge,
    /// The newest place of each partition that was acknowledged.
    newest: Position,
    /// The furthest that any board has shown.
    position: Position,
    refusals: Vec<String>,
}

/// What was seen during one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Disturbance {
    /// Longest time without an acknowledged rating.
    pub(super) unacknowledged: Duration,
    /// Longest time without an answer of the board.
    pub(super) silent: Duration,
    /// Longest time in which the board counted nothing.
    pub(super) still: Duration,
    pub(super) retries: Retries,
}

impl Books {
    pub(super) fn new(ratings: Ratings) -> Self {
        let now = Instant::now();
        let seen = Seen {
            acknowledged: Gauge::new(now),
            answered: Gauge::new(now),
            moved: Gauge::new(now),
            newest: Position::new(),
            position: Position::new(),
            refusals: Vec::new(),
        };
        Self {
            ratings,
            ledger: Mutex::default(),
            seen: Mutex::new(seen),
            ends: AtomicBool::new(false),
            workers: AtomicUsize::new(0),
        }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(super) fn acknowledged(&self, number: u64, place: Option<Place>) {
        self.ledger().acknowledge(number, place);
        let mut seen = lock(&self.seen);
        seen.acknowledged.note(Instant::now());
        if let Some(Place { partition, offset }) = place {
            let newest = seen.newest.entry(partition).or_default();
            *newest = offset.max(*newest);
        }
    }

    /// Notes an answer that no producer may give to a valid rating.
    pub(super) fn refused(&self, proof: String) {
        let refusals = &mut lock(&self.seen).refusals;
        if refusals.len() < REFUSALS_MAX {
            refusals.push(proof);
        }
    }

    pub(super) fn refusals(&self) -> Vec<String> {
        lock(&self.seen).refusals.clone()
    }

    /// Notes what a board has shown.
    pub(super) fn shown(&self, totals: &Totals) {
        let now = Instant::now();
        let mut seen = lock(&self.seen);
        seen.answered.note(now);
        let mut moved = false;
        for (partition, at) in &totals.position {
            let known = seen.position.entry(*partition).or_default();
            moved |= at > known;
            *known = *at.max(known);
        }
        if moved {
            seen.moved.note(now);
        }
    }

    /// The newest places that were acknowledged.
    pub(super) fn newest(&self) -> Position {
        lock(&self.seen).newest.clone()
    }

    /// Whether a board has shown what stands at these places.
    pub(super) fn is_past(&self, places: &Position) -> bool {
        let seen = lock(&self.seen);
        places.iter().all(|(partition, offset)| seen.position.get(partition) > Some(offset))
    }

    /// What was seen since this was asked last; `before` are the retries that there were then.
    pub(super) fn take(&self, before: Retries) -> Disturbance {
        let retries = self.ledger().retries;
        let now = Instant::now();
        let mut seen = lock(&self.seen);
        Disturbance {
            unacknowledged: seen.acknowledged.take(now),
            silent: seen.answered.take(now),
            still: seen.moved.take(now),
            retries: Retries {
                silent: retries.silent - before.silent,
                unavailable: retries.unavailable - before.unavailable,
                unknown: retries.unknown - before.unknown,
                other: retries.other - before.other,
            },
        }
    }

    /// No more new ratings; those under way are brought to an end.
    pub(super) fn end(&self) {
        self.ends.store(true, Ordering::Release);
    }

    pub(super) fn ends(&self) -> bool {
        self.ends.load(Ordering::Acquire)
    }

    /// Counts one worker until the answer is dropped.
    pub(super) fn working(&self) -> Working<'_> {
        self.workers.fetch_add(1, Ordering::AcqRel);
        Working(self)
    }

    /// Workers that still bring ratings to an end.
    pub(super) fn workers(&self) -> usize {
        self.workers.load(Ordering::Acquire)
    }
}

/// A worker of the load.
pub(super) struct Working<'a>(&'a Books);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.workers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Ends the load however its scope is left; the scope would wait for it for ever.
pub(super) struct EndOnDrop<'a>(pub(super) &'a Books);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A lock whose holder panicked is taken all the same: the story fails by the panic itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rating_is_on_the_board_when_a_board_has_passed_its_place() {
        let books = Books::new(Ratings::new(1));
        let number = books.ledger().next().unwrap();
        books.acknowledged(number, Some(Place { partition: 3, offset: 7 }));
        let newest = books.newest();
        assert_eq!(newest, Position::from([(3, 7)]));
        let shown = |at| {
            books.shown(&Totals { position: Position::from([(3, at)]), ..Totals::default() });
            books.is_past(&newest)
        };
        assert!(!books.is_past(&newest));
        assert!(!shown(7));
        assert!(shown(8));
        // Another replica, which is behind.
        assert!(shown(2));
    }

    #[test]
    fn retries_are_those_of_the_step() {
        let books = Books::new(Ratings::new(1));
        books.ledger().retries = Retries { silent: 5, unavailable: 1, ..Retries::default() };
        let before = Retries { silent: 3, ..Retries::default() };
        let retries = books.take(before).retries;
        assert_eq!(retries, Retries { silent: 2, unavailable: 1, ..Retries::default() });
    }
}
