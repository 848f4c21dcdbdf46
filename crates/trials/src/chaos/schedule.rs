//! Schedule: which fault meets whom and when, as a function of the seed alone.
//!
//! ```text
//!  0 ── warm-up ──┬── rounds, each with every kind once, in any order ─────────────┬── cool-down ── end
//!                 brokers    ▆▆▆▆   ▆▆▆     ▆▆▆▆▆▆▆▆ │              ▆▆▆▆        │
//!                 client 0     ▆▆▆▆▆     ▆            │   ▆▆▆                    │
//!                 client 1  ▆      ▆▆▆                │         ▆         ▆▆▆    │
//!                 at the same time, one to a lane     │ each one alone           │ …
//! ```
//!
//! Faults that come together find what nobody thought of. Faults that come alone tell how long
//! recovery from one takes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::fault::{Fault, Lane, Target};
use super::random::Random;

/// Before the first fault: a system that never worked cannot be broken.
const WARM_UP_MS: u64 = 5_000;
/// After the last fault is healed: load goes on so long at least, to show that it recovered.
const COOL_DOWN_MS: u64 = 10_000;
/// Between the end of a fault that comes alone and the next, besides what it needs to settle.
const ALONE_MS: u64 = 4_000;
/// Between the beginnings of two faults of different lanes.
const GAP_MS: std::ops::RangeInclusive<u64> = 500..=6_000;

/// One fault at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// When it begins, in milliseconds from the start of the load.
    pub(super) at_ms: u64,
    /// When it is healed after it began, in milliseconds.
    pub(super) lasts_ms: u64,
    pub(super) fault: Fault,
    pub(super) target: Target,
    /// Nothing else is broken meanwhile.
    pub(super) alone: bool,
}

impl Event {
    /// When the next fault of the same lane may begin.
    fn free_ms(&self) -> u64 {
        self.at_ms + self.lasts_ms + self.fault.settles_ms()
    }
}

/// All faults of a campaign, by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schedule {
    pub(super) events: Vec<Event>,
}

impl Schedule {
    /// The faults of these kinds that `seed` gives for a campaign that `lasts` so long.
    pub(super) fn new(seed: u64, lasts: Duration, kinds: &[Fault]) -> Self {
        let end_ms = (lasts.as_millis() as u64).saturating_sub(COOL_DOWN_MS);
        let mut random = Random::new(seed);
        let mut free: BTreeMap<Lane, u64> = BTreeMap::new();
        let mut events = Vec::new();
        let mut now_ms = WARM_UP_MS;
        for alone in [false, true].into_iter().cycle() {
            let mut round = kinds.to_vec();
            random.shuffle(&mut round);
            let before = events.len();
            for fault in round {
                let target = fault.target(&mut random);
                let lasts_ms = random.within(fault.lasts_ms());
                let at_ms = now_ms.max(free.get(&target.lane()).copied().unwrap_or(0));
                let event = Event { at_ms, lasts_ms, fault, target, alone };
                if event.free_ms() > end_ms {
                    continue;
                }
                free.insert(target.lane(), event.free_ms());
                now_ms =
                    if alone { event.free_ms() + ALONE_MS } else { now_ms + random.within(GAP_MS) };
                events.push(event);
            }
            if events.len() == before {
                break;
            }
            // A round ends when its slowest lane does, or that lane would fall behind for ever.
            now_ms = now_ms.max(free.values().copied().max().unwrap_or(0));
        }
        events.sort_by_key(|event| event.at_ms);
        Self { events }
    }

    /// The events of each lane, by time.
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
        if self.lasts_ms > 0 {
            write!(f, ", for {:.1} s", self.lasts_ms as f64 / 1e3)?;
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
        fn a_seed_gives_the_same_schedule_again(seed: u64, seconds in 30_u64..2_000) {
            prop_assert_eq!(schedule(seed, seconds), schedule(seed, seconds));
        }

        #[test]
        fn nobody_is_met_twice_at_once_and_all_is_healed_in_time(seed: u64, seconds in 30_u64..2_000) {
            let schedule = schedule(seed, seconds);
            for events in schedule.lanes().values() {
                for pair in events.windows(2) {
                    prop_assert!(pair[0].free_ms() <= pair[1].at_ms, "{:?}", pair);
                }
            }
            for event in &schedule.events {
                prop_assert!(event.at_ms >= WARM_UP_MS);
                prop_assert!(event.at_ms + event.lasts_ms + COOL_DOWN_MS <= seconds * 1_000);
                prop_assert!(event.fault.lasts_ms().contains(&event.lasts_ms));
            }
        }

        #[test]
        fn who_comes_alone_is_alone(seed: u64, seconds in 300_u64..2_000) {
            let schedule = schedule(seed, seconds);
            prop_assert!(schedule.events.iter().any(|event| event.alone));
            for (place, event) in schedule.events.iter().enumerate().filter(|(_, of)| of.alone) {
                let mut others = schedule.events.iter().enumerate().filter(|(at, _)| *at != place);
                prop_assert!(
                    others.all(|(_, of)| of.free_ms() <= event.at_ms || of.at_ms >= event.free_ms()),
                    "{}", event
                );
            }
        }

        #[test]
        fn three_minutes_have_every_kind(seed: u64) {
            let schedule = schedule(seed, 180);
            for fault in Fault::ALL {
                prop_assert!(schedule.events.iter().any(|event| event.fault == fault), "{:?}", fault);
            }
        }

        #[test]
        fn half_an_hour_has_every_kind_often(seed: u64) {
            let schedule = schedule(seed, 1_800);
            for fault in Fault::ALL {
                let times = schedule.events.iter().filter(|event| event.fault == fault).count();
                prop_assert!(times >= 8, "{:?}: {}", fault, times);
            }
        }
    }

    #[test]
    fn different_seeds_give_different_schedules() {
        assert_ne!(schedule(1, 180), schedule(2, 180));
    }
}
