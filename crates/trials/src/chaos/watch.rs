//! Watch: looks at every board all the time, as a browser would.
//!
//! ```text
//!  ready? ─► totals ─► the position of this life went back?  below what was committed before it?
//!         └► partitions, now and then ─► an alarm? a halted partition?
//! ```
//!
//! What is promised: the position never goes back while a process lives (also while it is frozen,
//! cut off, or no longer an owner). A process that was just started knows nothing and says that it
//! is not ready; from when it says that it is, it shows at least what the group had committed
//! before it was started, because an offset is committed after its snapshot is on the topic.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::replica::{Life, Replica};
use super::shared::Shared;
use super::violation::Promise;
use crate::ratings::totals::Position;
use crate::ratings::totals::Totals;

/// How often a board is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Every so many looks the state of the partitions is asked for too.
const PARTITIONS_EVERY: u64 = 5;
/// How long a board may take to answer; a frozen one is asked again.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// A client that looks at boards.
pub(super) struct Browser {
    agent: ureq::Agent,
}

impl Browser {
    pub(super) fn new() -> Self {
        Self {
            agent: ureq::Agent::config_builder().timeout_global(Some(ANSWER_WAIT)).build().into(),
        }
    }

    /// The body of an answer with status 200.
    pub(super) fn get(&self, url: &str) -> Option<String> {
        let mut answer = self.agent.get(url).call().ok()?;
        answer.body_mut().read_to_string().ok()
    }

    /// What a board shows.
    pub(super) fn totals(&self, replica: &Replica) -> Option<Totals> {
        Totals::parse(&self.get(&replica.url("/api/v1/totals"))?)
    }

    /// Whether a replica says that it is ready.
    pub(super) fn is_ready(&self, replica: &Replica) -> bool {
        self.get(&replica.ops_url("/readyz")).is_some()
    }
}

/// What the group had committed when; a bound for what boards must know.
#[derive(Debug, Default)]
pub(super) struct Floors(Vec<(Instant, Position)>);

impl Floors {
    /// Notes what is committed now.
    pub(super) fn note(&mut self, now: Instant, committed: Position) {
        if self.0.last().is_none_or(|(_, known)| *known != committed) {
            self.0.push((now, committed));
        }
    }

    /// What was known to be committed at a time.
    fn at(&self, then: Instant) -> Position {
        let before = self.0.partition_point(|(noted, _)| *noted <= then);
        before.checked_sub(1).map(|place| self.0[place].1.clone()).unwrap_or_default()
    }
}

/// What one life of a replica has shown so far.
struct Seen {
    life: Life,
    floor: Position,
    position: Position,
}

/// Looks at one board until everything ends.
pub(super) fn watch(
    shared: &Shared,
    replica: &Replica,
    number: usize,
    floors: &std::sync::Mutex<Floors>,
) {
    let browser = Browser::new();
    let mut seen: Option<Seen> = None;
    for look in 0_u64.. {
        if !shared.sleep_until(Instant::now() + LOOK_EVERY) {
            return;
        }
        let Some(life) = replica.life() else { continue };
        let ready = browser.is_ready(replica);
        let totals = browser.totals(replica);
        let partitions = if look % PARTITIONS_EVERY == 0 {
            browser.get(&replica.url("/api/v1/partitions"))
        } else {
            None
        };
        // Who was asked may have died meanwhile, and another life may have answered.
        if replica.life() != Some(life) {
            continue;
        }
        if let Some(proof) = partitions.as_deref().and_then(trouble) {
            shared.violated(Promise::NoAlarm, format!("{}: {proof}", replica.name));
        }
        let Some(Totals { position, .. }) = totals else { continue };
        shared.looks.fetch_add(1, Ordering::Relaxed);
        let seen = match &mut seen {
            Some(seen) if seen.life == life => seen,
            other => {
                let floor = super::shared::lock(floors).at(life.began);
                other.insert(Seen { life, floor, position: Position::new() })
            }
        };
        if let Some(proof) = behind(&seen.position, &position) {
            shared.violated(Promise::NeverBack, format!("{}: {proof}", replica.name));
        }
        if ready && let Some(proof) = behind(&seen.floor, &position) {
            shared.violated(Promise::ReadyIsCaughtUp, format!("{}: {proof}", replica.name));
        }
        seen.position.clone_from(&position);
        shared.recoveries().shows(number, position, Instant::now());
    }
}

/// Where a position is behind an earlier one.
fn behind(earlier: &Position, later: &Position) -> Option<String> {
    earlier.iter().find_map(|(partition, before)| {
        let now = later.get(partition).copied().unwrap_or(0);
        (now < *before).then(|| format!("partition {partition} is at {now} after {before}"))
    })
}

/// What is wrong according to `GET /api/v1/partitions`.
fn trouble(json: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(json).ok()?;
    if let Some(alarm) = answer["alarm"].as_str() {
        return Some(format!("alarm: {alarm}"));
    }
    let halted = |partition: &&Value| partition["state"] == "halted";
    let partition = answer["partitions"].as_array()?.iter().find(halted)?;
    Some(format!("partition {} halts: {}", partition["partition"], partition["reason"]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_position_that_goes_back_is_found() {
        let check = |earlier: &[(i32, i64)], later: &[(i32, i64)], expected: Option<&str>| {
            let position = |of: &[(i32, i64)]| of.iter().copied().collect::<BTreeMap<_, _>>();
            assert_eq!(behind(&position(earlier), &position(later)).as_deref(), expected);
        };
        check(&[], &[], None);
        check(&[(0, 5)], &[(0, 5), (1, 0)], None);
        check(&[(0, 5), (1, 7)], &[(0, 9), (1, 6)], Some("partition 1 is at 6 after 7"));
        check(&[(2, 1)], &[], Some("partition 2 is at 0 after 1"));
    }

    #[test]
    fn a_floor_is_what_was_known_at_the_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let position = |offset| BTreeMap::from([(0, offset)]);
        let mut floors = Floors::default();
        assert_eq!(floors.at(at(9)), BTreeMap::new());
        floors.note(at(1), position(10));
        floors.note(at(2), position(10));
        floors.note(at(3), position(20));
        assert_eq!(floors.at(start), BTreeMap::new());
        assert_eq!(floors.at(at(2)), position(10));
        assert_eq!(floors.at(at(9)), position(20));
    }

    #[test]
    fn alarms_and_halted_partitions_are_trouble() {
        assert_eq!(trouble(r#"{"partitions":[{"partition":1,"state":"owned"}]}"#), None);
        let halted = r#"{"partitions":[{"partition":1,"state":"halted","reason":"gone"}]}"#;
        assert_eq!(trouble(halted).unwrap(), "partition 1 halts: \"gone\"");
        assert_eq!(
            trouble(r#"{"alarm":"two differ","partitions":[]}"#).unwrap(),
            "alarm: two differ"
        );
    }
}
