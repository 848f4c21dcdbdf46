//! Judge: what must hold under overload.

use super::FACTOR;
use super::load::Outcome;
use crate::memory::Memory;
use crate::start::PATIENCE;

/// Most that the producer may grow from the first half of the overload to the second: allocators
/// give back late, and never exactly.
const GROWTH_MAX: f64 = 1.15;
/// Growth, in MB, that is none, however small the producer was before.
const GROWTH_MIN_MB: f64 = 16.0;
/// Most that the producer may take, in MB: 12 MiB of ratings in flight, as much again in the Kafka
/// client, what uploads may hold, and the buffers of the connections. It usually takes a quarter.
const MEMORY_MAX_MB: f64 = 384.0;
/// How many times longer the slowest hundredth of those that were taken may wait than when the same
/// clients offer no more than is taken.
const P99_FACTOR_MAX: f64 = 3.0;

/// Most of what is offered that may be taken under overload, or it is none.
const OVERLOAD_SHARE_MAX: f64 = 0.9;

/// What was seen.
pub(super) struct Findings<'a> {
    pub(super) capacity: &'a Outcome,
    pub(super) usual: &'a Outcome,
    pub(super) pressed: &'a Outcome,
    pub(super) after: &'a Outcome,
    pub(super) memory: Memory,
    /// Acknowledged ratings that are not in the log.
    pub(super) missing: usize,
}

impl Findings<'_> {
    /// What did not hold, in words.
    pub(super) fn faults(&self, judge_times: bool) -> Vec<String> {
        let mut faults = Vec::new();
        let mut demand = |holds: bool, fault: String| {
            if !holds {
                faults.push(fault);
            }
        };
        demand(
            self.missing == 0,
            format!("{} acknowledged ratings are not in the log", self.missing),
        );
        let [first, second] = self.memory.halves();
        demand(
            second <= (first * GROWTH_MAX).max(first + GROWTH_MIN_MB),
            format!("memory grew from {first:.0} to {second:.0} MB"),
        );
        demand(
            second.max(first) <= MEMORY_MAX_MB,
            format!("memory reached {:.0} MB of {MEMORY_MAX_MB}", second.max(first)),
        );
        // Where time means something, the queue is what is slow. Elsewhere it may be the reading of
        // what is sent, and then clients wait for their turn and nobody needs to be refused.
        let offered_per_s = f64::from(FACTOR) * self.capacity.acknowledged_per_s();
        let held_up = self.pressed.acknowledged_per_s() < OVERLOAD_SHARE_MAX * offered_per_s;
        demand(
            self.pressed.refused > 0 || held_up && !judge_times,
            "nobody was refused, so it was no overload".to_owned(),
        );
        for (when, outcome) in [
            ("at capacity", self.capacity),
            ("with a crowd", self.usual),
            ("under overload", self.pressed),
            ("after", self.after),
        ] {
            let strange = &outcome.strange;
            demand(strange.is_empty(), format!("{when}: {}", strange.join("; ")));
            demand(!outcome.places.is_empty(), format!("{when}: nothing was acknowledged"));
        }
        demand(
            self.after.refused == 0,
            format!("somebody is still refused {PATIENCE:?} after the crowd is gone"),
        );
        if judge_times {
            let factor = self.p99_factor();
            demand(
                factor <= P99_FACTOR_MAX,
                format!(
                    "the p99 of the accepted grew {factor:.1} times, more than {P99_FACTOR_MAX}"
                ),
            );
        }
        faults
    }

    /// How many times longer the slowest hundredth of those that were taken waited, of the kind
    /// that suffered more.
    fn p99_factor(&self) -> f64 {
        let [pressed, before] = [self.pressed.p99_ms(), self.usual.p99_ms()];
        (pressed[0] / before[0]).max(pressed[1] / before[1])
    }

    pub(super) fn summary(&self) -> String {
        let all = [self.capacity, self.usual, self.pressed, self.after];
        let places: usize = all.iter().map(|outcome| outcome.places.len()).sum();
        format!(
            "{places} acknowledged ratings are all in the log; {}; p99 {:.1} times that without overload",
            self.memory,
            self.p99_factor()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overload_refuses_somebody_or_makes_them_wait() {
        let check = |[acknowledged, refused]: [usize; 2], judge_times: bool, expected: bool| {
            let before = Outcome::of(100, 0);
            let findings = Findings {
                capacity: &before,
                usual: &before,
                pressed: &Outcome::of(acknowledged, refused),
                after: &before,
                memory: Memory::default(),
                missing: 0,
            };
            let faults = findings.faults(judge_times);
            let is_overload = !faults.iter().any(|fault| fault.contains("no overload"));
            assert_eq!(is_overload, expected, "{acknowledged} {refused} {judge_times}");
        };
        check([390, 0], false, false);
        check([390, 1], false, true);
        check([120, 0], false, true);
        check([120, 0], true, false);
        check([120, 1], true, true);
    }
}
