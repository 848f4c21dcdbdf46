//! The fault schedule: kinds, targets and times as a function of the seed.
//!
//! ```text
//!  0 ── warm-up ──┬── rounds, each with every kind once, in random order ──────────┬── cool-down ── end
//!                 brokers    ▆▆▆▆   ▆▆▆     ▆▆▆▆▆▆▆▆ │              ▆▆▆▆        │
//!                 client 0     ▆▆▆▆▆     ▆            │   ▆▆▆                    │
//!                 client 1  ▆      ▆▆▆                │         ▆         ▆▆▆    │
//!                 concurrent, one fault per lane      │ one fault at a time       │ …
//! ```
//!
//! Concurrent faults find unexpected interactions. Isolated faults measure the recovery time.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::fault::{Fault, Lane, Target};
use super::random::Random;

/// Before the first fault, so that the system is known to work.
const WARM_UP_MS: u64 = 5_000;
/// After the last fault is healed, with load, to observe the recovery.
const COOL_DOWN_MS: u64 = 10_000;
/// Between an isolated fault and the next one, in addition to its settle time.
const ISOLATION_MS: u64 = 4_000;
/// Between the starts of concurrent faults.
const GAP_MS: std::ops::RangeInclusive<u64> = 500..=6_000;

/// One scheduled fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// When it starts, in milliseconds since the start of the schedule.
    pub(super) at_ms: u64,
    /// Time until it is healed, in milliseconds.
    pub(super) duration_ms: u64,
    pub(super) fault: Fault,
    pub(super) target: Target,
    /// No other fault is active at the same time.
    pub(super) isolated: bool,
}

impl Event {
    /// When the next fault of the same lane may begin, in milliseconds.
    fn free_ms(&self) -> u64 {
        self.at_ms + self.duration_ms + self.fault.settle_ms()
    }
}

/// All faults of a campaign, ordered by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schedule {
    pub(super) events: Vec<Event>,
}

impl Schedule {
    /// The schedule of `seed` with these kinds, for a campaign of this duration.
    pub(super) fn new(seed: u64, duration: Duration, kinds: &[Fault]) -> Self {
        let end_ms = (duration.as_millis() as u64).saturating_sub(COOL_DOWN_MS);
        let mut random = Random::new(seed);
        let mut free: BTreeMap<Lane, u64> = BTreeMap::new();
        let mut events = Vec::new();
        let mut now_ms = WARM_UP_MS;
        for isolated in [false, true].into_iter().cycle() {
            let mut round = kinds.to_vec();
            random.shuffle(&mut round);
            let before = events.len();
            for fault in round {
                let target = fault.target(&mut random);
                let duration_ms = random.within(fault.duration_ms());
                let at_ms = now_ms.max(free.get(&target.lane()).copied().unwrap_or(0));
                let event = Event { at_ms, duration_ms, fault, target, isolated };
                if event.free_ms() > end_ms {
                    continue;
                }
                free.insert(target.lane(), event.free_ms());
                now_ms = if isolated {
                    event.free_ms() + ISOLATION_MS
                } else {
                    now_ms + random.within(GAP_MS)
                };
                events.push(event);
            }
            if events.len() == before {
                break;
            }
            // Wait for the slowest lane, which would otherwise fall further behind every round.
            now_ms = now_ms.max(free.values().copied().max().unwrap_or(0));
        }
        events.sort_by_key(|event| event.at_ms);
        Self { events }
    }

    /// The events of each lane, ordered by time.
    pub(super) fn lanes(&self) -> BTreeMap<Lane, Vec<Event>> {
        let mut lanes: BTreeMap<Lane, Vec<Event>> = BTreeMap::new();
        for event in &self.events {
            lanes.entry(event.target.lane()).or_default().push(event.clone());
        }
        lanes
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.events {
            writeln!(f, "{:>8.1} s  {event}", event.at_ms as f64 / 1e3)?;
        }
        Ok(())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fault.name(), self.target)?;
        if self.duration_ms > 0 {
            write!(f, ", for {:.1} s", self.duration_ms as f64 / 1e3)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(seed: u64, seconds: u64) -> Schedule {
        Schedule::new(seed, Duration::from_secs(seconds), &Fault::ALL)
    }

    proptest! {
        #[test]
        fn seed_determines_the_schedule(seed: u64, seconds in 30_u64..2_000) {
            prop_assert_eq!(schedule(seed, seconds), schedule(seed, seconds));
        }

        #[test]
        fn lanes_do_not_overlap_and_faults_are_healed_in_time(seed: u64, seconds in 30_u64..2_000) {
            let schedule = schedule(seed, seconds);
            for events in schedule.lanes().values() {
                for pair in events.windows(2) {
                    prop_assert!(pair[0].free_ms() <= pair[1].at_ms, "{:?}", pair);
                }
            }
            for event in &schedule.events {
                prop_assert!(event.at_ms >= WARM_UP_MS);
                prop_assert!(event.at_ms + event.duration_ms + COOL_DOWN_MS <= seconds * 1_000);
                prop_assert!(event.fault.duration_ms().contains(&event.duration_ms));
            }
        }

        #[test]
        fn isolated_faults_do_not_overlap(seed: u64, seconds in 300_u64..2_000) {
            let schedule = schedule(seed, seconds);
            prop_assert!(schedule.events.iter().any(|event| event.isolated));
            for (index, event) in schedule.events.iter().enumerate().filter(|(_, of)| of.isolated) {
                let mut others = schedule.events.iter().enumerate().filter(|(at, _)| *at != index);
                prop_assert!(
                    others.all(|(_, of)| of.free_ms() <= event.at_ms || of.at_ms >= event.free_ms()),
                    "{}", event
                );
            }
        }

        #[test]
        fn three_minutes_contain_every_kind(seed: u64) {
            let schedule = schedule(seed, 180);
            for fault in Fault::ALL {
                prop_assert!(schedule.events.iter().any(|event| event.fault == fault), "{:?}", fault);
            }
        }

        #[test]
        fn half_an_hour_contains_every_kind_often(seed: u64) {
            let schedule = schedule(seed, 1_800);
            for fault in Fault::ALL {
                let times = schedule.events.iter().filter(|event| event.fault == fault).count();
                prop_assert!(times >= 8, "{:?}: {}", fault, times);
            }
        }
    }

    #[test]
    fn seeds_give_different_schedules() {
        assert_ne!(schedule(1, 180), schedule(2, 180));
    }
}
