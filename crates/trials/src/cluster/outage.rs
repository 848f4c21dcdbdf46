//! The longest outage of something that should happen continuously.

use std::time::{Duration, Instant};

/// Measures the longest time between two events.
#[derive(Debug)]
pub(super) struct OutageTimer {
    last: Instant,
    longest: Duration,
}

impl OutageTimer {
    pub(super) fn new(now: Instant) -> Self {
        Self { last: now, longest: Duration::ZERO }
    }

    /// Records an event.
    pub(super) fn record(&mut self, now: Instant) {
        self.longest = self.longest.max(now.saturating_duration_since(self.last));
        self.last = now;
    }

    /// Takes the longest outage since the last call. An ongoing outage counts, also in the next
    /// call.
    pub(super) fn take(&mut self, now: Instant) -> Duration {
        let open = now.saturating_duration_since(self.last);
        std::mem::take(&mut self.longest).max(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ongoing_outage_counts() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timer = OutageTimer::new(start);
        timer.record(at(100));
        timer.record(at(400));
        timer.record(at(450));
        assert_eq!(timer.take(at(500)), Duration::from_millis(300));
        assert_eq!(timer.take(at(1_450)), Duration::from_secs(1));
        timer.record(at(2_450));
        assert_eq!(timer.take(at(2_450)), Duration::from_secs(2));
        assert_eq!(timer.take(at(2_451)), Duration::from_millis(1));
    }
}
