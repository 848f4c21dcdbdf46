//! Gauge: the longest time without something that should happen all the time.

use std::time::{Duration, Instant};

/// The longest time without it.
#[derive(Debug)]
pub(super) struct Gauge {
    last: Instant,
    longest: Duration,
}

impl Gauge {
    pub(super) fn new(now: Instant) -> Self {
        Self { last: now, longest: Duration::ZERO }
    }

    /// It happened.
    pub(super) fn note(&mut self, now: Instant) {
        self.longest = self.longest.max(now.saturating_duration_since(self.last));
        self.last = now;
    }

    /// The longest time since this was asked last; one that has not ended yet counts, and goes on.
    pub(super) fn take(&mut self, now: Instant) -> Duration {
        let open = now.saturating_duration_since(self.last);
        std::mem::take(&mut self.longest).max(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_counts_even_before_it_ends() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut gauge = Gauge::new(start);
        gauge.note(at(100));
        gauge.note(at(400));
        gauge.note(at(450));
        assert_eq!(gauge.take(at(500)), Duration::from_millis(300));
        assert_eq!(gauge.take(at(1_450)), Duration::from_secs(1));
        gauge.note(at(2_450));
        assert_eq!(gauge.take(at(2_450)), Duration::from_secs(2));
        assert_eq!(gauge.take(at(2_451)), Duration::from_millis(1));
    }
}
