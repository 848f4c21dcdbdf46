//! The criteria of the overload trial.

use super::FACTOR;
use super::load::Outcome;
use crate::memory::Memory;
use crate::start::TIMEOUT;

/// Maximum growth of memory from the first half of the overload to the second: allocators release
/// memory late and not completely.
const GROWTH_MAX: f64 = 1.15;
/// Growth in MB that is always accepted, however small the producer was before.
const GROWTH_MIN_MB: f64 = 16.0;
/// Maximum memory of the producer in MB: 12 MiB of ratings in flight, the same in the Kafka client,
/// upload buffers and connection buffers. Typical use is a quarter.
const MEMORY_MAX_MB: f64 = 384.0;
/// Maximum factor between the p99 latency of accepted requests under overload and that of the same
/// clients at capacity.
const P99_FACTOR_MAX: f64 = 3.0;

/// Maximum accepted share of the offered load; above it there was no overload.
const OVERLOAD_SHARE_MAX: f64 = 0.9;

/// The measurements of the trial.
pub(super) struct Findings<'a> {
    pub(super) capacity: &'a Outcome,
    pub(super) baseline: &'a Outcome,
    pub(super) overload: &'a Outcome,
    pub(super) after: &'a Outcome,
    pub(super) memory: Memory,
    /// Acknowledged ratings that are not in the log.
    pub(super) missing: usize,
}

impl Findings<'_> {
    /// The criteria that were not met.
    pub(super) fn failures(&self, judge_times: bool) -> Vec<String> {
        let mut failures = Vec::new();
        let mut require = |holds: bool, failure: String| {
            if !holds {
                failures.push(failure);
            }
        };
        require(
            self.missing == 0,
            format!("{} acknowledged ratings are not in the log", self.missing),
        );
        let [first, second] = self.memory.maxima();
        require(
            second <= (first * GROWTH_MAX).max(first + GROWTH_MIN_MB),
            format!("memory grew from {first:.0} to {second:.0} MB"),
        );
        require(
            second.max(first) <= MEMORY_MAX_MB,
            format!("memory reached {:.0} MB of {MEMORY_MAX_MB}", second.max(first)),
        );
        // Where latencies are judged, Kafka is the bottleneck. Elsewhere it may be the parsing of
        // requests; then clients wait for each other and none needs to be rejected.
        let offered_per_s = f64::from(FACTOR) * self.capacity.acknowledged_per_s();
        let throttled = self.overload.acknowledged_per_s() < OVERLOAD_SHARE_MAX * offered_per_s;
        require(
            self.overload.rejected > 0 || throttled && !judge_times,
            "no request was rejected, so there was no overload".to_owned(),
        );
        for (when, outcome) in [
            ("at capacity", self.capacity),
            ("with all clients at capacity", self.baseline),
            ("under overload", self.overload),
            ("after", self.after),
        ] {
            let unexpected = &outcome.unexpected;
            require(unexpected.is_empty(), format!("{when}: {}", unexpected.join("; ")));
            require(!outcome.acknowledged.is_empty(), format!("{when}: nothing was acknowledged"));
        }
        require(
            self.after.rejected == 0,
            format!("requests are still rejected {TIMEOUT:?} after the overload"),
        );
        if judge_times {
            let factor = self.p99_factor();
            require(
                factor <= P99_FACTOR_MAX,
                format!(
                    "the p99 of accepted requests grew {factor:.1} times, more than {P99_FACTOR_MAX}"
                ),
            );
        }
        failures
    }

    /// The factor between the p99 latencies under overload and at capacity, the worse of the two
    /// kinds of requests.
    fn p99_factor(&self) -> f64 {
        let [overload, before] = [self.overload.p99_ms(), self.baseline.p99_ms()];
        (overload[0] / before[0]).max(overload[1] / before[1])
    }

    pub(super) fn summary(&self) -> String {
        let all = [self.capacity, self.baseline, self.overload, self.after];
        let acknowledged: usize = all.iter().map(|outcome| outcome.acknowledged.len()).sum();
        format!(
            "{acknowledged} acknowledged ratings are all in the log; {}; p99 {:.1} times that at capacity",
            self.memory,
            self.p99_factor()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overload_rejects_or_throttles() {
        let check = |[acknowledged, rejected]: [usize; 2], judge_times: bool, expected: bool| {
            let before = Outcome::of(100, 0);
            let findings = Findings {
                capacity: &before,
                baseline: &before,
                overload: &Outcome::of(acknowledged, rejected),
                after: &before,
                memory: Memory::default(),
                missing: 0,
            };
            let failures = findings.failures(judge_times);
            let is_overload = !failures.iter().any(|failure| failure.contains("no overload"));
            assert_eq!(is_overload, expected, "{acknowledged} {rejected} {judge_times}");
        };
        check([390, 0], false, false);
        check([390, 1], false, true);
        check([120, 0], false, true);
        check([120, 0], true, false);
        check([120, 1], true, true);
    }
}
