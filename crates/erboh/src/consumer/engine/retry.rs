//! Retry: when to try again what failed.

use std::time::{Duration, Instant};

use super::limits::{RETRY_FIRST, RETRY_LONGEST};

/// Waits that double.
#[derive(Debug, Default)]
pub(super) struct Retry {
    wait: Option<Duration>,
    due: Option<Instant>,
}

impl Retry {
    /// Notes a failure.
    pub(super) fn failed(&mut self, now: Instant) {
        let wait = self.wait.map_or(RETRY_FIRST, |wait| (wait * 2).min(RETRY_LONGEST));
        self.wait = Some(wait);
        self.due = Some(now + wait);
    }

    /// Waits that long, whatever came before.
    pub(super) fn rest(&mut self, now: Instant, wait: Duration) {
        self.due = Some(now + wait);
    }

    /// Notes a success: the next failure waits shortly again.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Whether it may be tried now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| now >= due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_each_time_up_to_a_limit_and_shortly_after_a_success() {
        let start = Instant::now();
        let mut retry = Retry::default();
        assert!(retry.is_due(start));
        let mut waits = Vec::new();
        for _ in 0..8 {
            retry.failed(start);
            assert!(!retry.is_due(start));
            assert!(retry.is_due(start + retry.wait.unwrap()));
            waits.push(retry.wait.unwrap());
        }
        assert!(waits.is_sorted());
        assert_eq!(waits.last(), Some(&RETRY_LONGEST));
        retry.succeeded();
        assert!(retry.is_due(start));
        retry.failed(start);
        assert_eq!(retry.wait, Some(RETRY_FIRST));
    }
}
