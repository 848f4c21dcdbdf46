//! Retry: when to try again what failed, or what another one has taken.

use std::time::{Duration, Instant};

use super::limits::{
    REPLACED_FIRST_WAIT, REPLACED_MEMORY, REPLACED_WAIT, RETRY_FIRST, RETRY_LONGEST,
};

/// Waits that double.
#[derive(Debug, Default)]
pub(super) struct Retry {
    wait: Option<Duration>,
    due: Option<Instant>,
}

impl Retry {
    /// Notes a failure.
    pub(super) fn failed(&mut self, now: Instant) {
        self.failed_at_most(RETRY_LONGEST, now);
    }

    /// Notes a failure after which the wait may grow to `longest`, and answers the wait.
    pub(super) fn failed_at_most(&mut self, longest: Duration, now: Instant) -> Duration {
        let wait = self.wait.map_or(RETRY_FIRST, |wait| (wait * 2).min(longest));
        self.wait = Some(wait);
        self.due = Some(now + wait);
        wait
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

/// How often a member was told that another one has its instance id.
#[derive(Debug, Default)]
pub(super) struct Replacements {
    last: Option<Instant>,
}

impl Replacements {
    /// Notes that it was told so, and answers how long it stays away.
    pub(super) fn note(&mut self, now: Instant) -> Duration {
        let again = |last| now.duration_since(last) < REPLACED_MEMORY;
        if self.last.replace(now).is_some_and(again) { REPLACED_WAIT } else { REPLACED_FIRST_WAIT }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_replaced_again_and_again_stays_away_for_long() {
        let start = Instant::now();
        let mut replacements = Replacements::default();
        assert_eq!(replacements.note(start), REPLACED_FIRST_WAIT);
        assert_eq!(replacements.note(start + REPLACED_FIRST_WAIT), REPLACED_WAIT);
        let second = start + REPLACED_FIRST_WAIT + REPLACED_WAIT;
        assert_eq!(replacements.note(second), REPLACED_WAIT);
        assert_eq!(replacements.note(second + REPLACED_MEMORY), REPLACED_FIRST_WAIT);
    }

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
