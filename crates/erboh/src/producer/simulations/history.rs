//! History: what became of simulated ratings in each second of the last minutes, for the chart.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;
use utoipa::ToSchema;

use super::counts::Counts;
use super::limits::HISTORY_S;

/// The numbers of one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Second {
    acknowledged: u64,
    failed: u64,
}

/// What became of ratings by the second in which it was known. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct History {
    started: Instant,
    seconds: Arc<Mutex<Seconds>>,
}

/// At most [`HISTORY_S`] + 1 seconds, the newest last; the newest is not over yet.
#[derive(Debug, Default)]
struct Seconds {
    /// The second since the start that the last element is about.
    newest: u64,
    all: VecDeque<Second>,
}

/// Simulated ratings per second, of all simulations together: the oldest second first, the last one
/// is the newest that is over. Seconds before the service has started are missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SimulationHistory)]
pub(super) struct Chart {
    /// Ratings that the queue has acknowledged in each second.
    pub(super) acknowledged: Vec<u64>,
    /// Ratings that failed, were refused, or whose outcome stayed unknown.
    pub(super) failed: Vec<u64>,
}

impl History {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), seconds: Arc::default() }
    }

    /// Notes what is known now.
    pub(super) fn add(&self, counts: Counts) {
        self.now().add(counts.acknowledged, counts.others());
    }

    /// The seconds that are over.
    pub(super) fn chart(&self) -> Chart {
        self.now().chart()
    }

    fn now(&self) -> MutexGuard<'_, Seconds> {
        // Whoever panicked while adding has left a number that is too small, at worst.
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        seconds.reach(self.started.elapsed().as_secs());
        seconds
    }
}

impl Seconds {
    /// Goes on to the second `now`; those in which nothing happened are added.
    fn reach(&mut self, now: u64) {
        let passed = if self.all.is_empty() { now + 1 } else { now.saturating_sub(self.newest) };
        for _ in 0..passed.min(HISTORY_S as u64 + 1) {
            if self.all.len() > HISTORY_S {
                self.all.pop_front();
            }
            self.all.push_back(Second::default());
        }
        self.newest = now.max(self.newest);
    }

    fn add(&mut self, acknowledged: u64, failed: u64) {
        if let Some(second) = self.all.back_mut() {
            second.acknowledged += acknowledged;
            second.failed += failed;
        }
    }

    fn chart(&self) -> Chart {
        let over = self.all.iter().take(self.all.len().saturating_sub(1));
        let (acknowledged, failed) =
            over.map(|second| (second.acknowledged, second.failed)).unzip();
        Chart { acknowledged, failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_numbers_and_old_ones_go() {
        let mut seconds = Seconds::default();
        let check = |seconds: &Seconds, acknowledged: &[u64], failed: &[u64]| {
            let chart = seconds.chart();
            assert_eq!((&*chart.acknowledged, &*chart.failed), (acknowledged, failed));
        };
        seconds.reach(0);
        seconds.add(3, 0);
        seconds.add(1, 2);
        check(&seconds, &[], &[]);
        seconds.reach(2);
        check(&seconds, &[4, 0], &[2, 0]);
        seconds.add(7, 0);
        seconds.reach(3);
        check(&seconds, &[4, 0, 7], &[2, 0, 0]);
        seconds.reach(HISTORY_S as u64 + 1);
        let chart = seconds.chart();
        assert_eq!((chart.failed.len(), &chart.acknowledged[..3]), (HISTORY_S, &[0, 7, 0][..]));
        seconds.reach(1_000_000);
        check(&seconds, &[0; HISTORY_S], &[0; HISTORY_S]);
    }
}
