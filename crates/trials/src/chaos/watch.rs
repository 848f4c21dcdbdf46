//! Polls every board continuously over HTTP.
//!
//! ```text
//!  ready? ─► totals ─► position of this incarnation went back? behind the offsets committed before it?
//!         └► partitions, every few polls ─► alarm? halted partition?
//! ```
//!
//! The position never goes back while a process runs, even while it is frozen, cut off or no longer
//! an owner. A process that was just started is not ready. Once it is ready, it shows at least what
//! the group had committed before its start, because an offset is committed after its snapshot is
//! acknowledged.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::replica::{Incarnation, Replica};
use super::shared::Shared;
use super::violation::Guarantee;
use crate::ratings::totals::Position;
use crate::ratings::totals::Totals;

/// Poll interval of a board.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// The partitions are queried with every n-th poll.
const PARTITIONS_POLL: u64 = 5;
/// Timeout of a request; a frozen board is polled again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// An HTTP client of the boards.
pub(super) struct BoardClient {
    agent: ureq::Agent,
}

impl BoardClient {
    pub(super) fn new() -> Self {
        Self {
            agent: ureq::Agent::config_builder()
                .timeout_global(Some(REQUEST_TIMEOUT))
                .build()
                .into(),
        }
    }

    /// The body of a 200 response.
    pub(super) fn get(&self, url: &str) -> Option<String> {
        let mut response = self.agent.get(url).call().ok()?;
        response.body_mut().read_to_string().ok()
    }

    /// The totals of a board.
    pub(super) fn totals(&self, replica: &Replica) -> Option<Totals> {
        Totals::parse(&self.get(&replica.url("/api/v1/totals"))?)
    }

    /// Whether a replica is ready.
    pub(super) fn is_ready(&self, replica: &Replica) -> bool {
        self.get(&replica.ops_url("/readyz")).is_some()
    }
}

/// The committed offsets of the group over time: a lower bound for the boards.
#[derive(Debug, Default)]
pub(super) struct CommitHistory(Vec<(Instant, Position)>);

impl CommitHistory {
    /// Records the currently committed offsets.
    pub(super) fn record(&mut self, now: Instant, committed: Position) {
        if self.0.last().is_none_or(|(_, known)| *known != committed) {
            self.0.push((now, committed));
        }
    }

    /// The newest committed offsets recorded at a time.
    fn at(&self, then: Instant) -> Position {
        let before = self.0.partition_point(|(recorded, _)| *recorded <= then);
        before.checked_sub(1).map(|index| self.0[index].1.clone()).unwrap_or_default()
    }
}

/// What one incarnation of a replica has shown so far.
struct Seen {
    incarnation: Incarnation,
    committed: Position,
    position: Position,
}

/// Polls one board until the campaign stops.
pub(super) fn watch(
    shared: &Shared,
    replica: &Replica,
    number: usize,
    commits: &std::sync::Mutex<CommitHistory>,
) {
    let client = BoardClient::new();
    let mut seen: Option<Seen> = None;
    for poll in 0_u64.. {
        if !shared.sleep_until(Instant::now() + POLL_INTERVAL) {
            return;
        }
        let Some(incarnation) = replica.incarnation() else { continue };
        let ready = client.is_ready(replica);
        let totals = client.totals(replica);
        let partitions = if poll % PARTITIONS_POLL == 0 {
            client.get(&replica.url("/api/v1/partitions"))
        } else {
            None
        };
        // The replica may have been restarted meanwhile, and the new incarnation may have
        // responded.
        if replica.incarnation() != Some(incarnation) {
            continue;
        }
        if let Some(proof) = partitions.as_deref().and_then(problem) {
            shared.violated(Guarantee::NoAlarm, format!("{}: {proof}", replica.name));
        }
        let Some(Totals { position, .. }) = totals else { continue };
        shared.polls.fetch_add(1, Ordering::Relaxed);
        let seen = match &mut seen {
            Some(seen) if seen.incarnation == incarnation => seen,
            other => {
                let committed = super::shared::lock(commits).at(incarnation.began);
                other.insert(Seen { incarnation, committed, position: Position::new() })
            }
        };
        if let Some(proof) = behind(&seen.position, &position) {
            shared.violated(Guarantee::NeverBack, format!("{}: {proof}", replica.name));
        }
        if ready && let Some(proof) = behind(&seen.committed, &position) {
            shared.violated(Guarantee::ReadyIsCaughtUp, format!("{}: {proof}", replica.name));
        }
        seen.position.clone_from(&position);
        shared.recoveries().shows(number, position, Instant::now());
    }
}

/// The first partition in which a position is behind an earlier one.
fn behind(earlier: &Position, later: &Position) -> Option<String> {
    earlier.iter().find_map(|(partition, before)| {
        let now = later.get(partition).copied().unwrap_or(0);
        (now < *before).then(|| format!("partition {partition} is at {now} after {before}"))
    })
}

/// An alarm or a halted partition in the response of `GET /api/v1/partitions`.
fn problem(json: &str) -> Option<String> {
    let response: Value = serde_json::from_str(json).ok()?;
    if let Some(alarm) = response["alarm"].as_str() {
        return Some(format!("alarm: {alarm}"));
    }
    let halted = |partition: &&Value| partition["state"] == "halted";
    let partition = response["partitions"].as_array()?.iter().find(halted)?;
    Some(format!("partition {} halted: {}", partition["partition"], partition["reason"]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn position_that_goes_back_is_reported() {
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
    fn commit_history_returns_the_offsets_at_a_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let position = |offset| BTreeMap::from([(0, offset)]);
        let mut commits = CommitHistory::default();
        assert_eq!(commits.at(at(9)), BTreeMap::new());
        commits.record(at(1), position(10));
        commits.record(at(2), position(10));
        commits.record(at(3), position(20));
        assert_eq!(commits.at(start), BTreeMap::new());
        assert_eq!(commits.at(at(2)), position(10));
        assert_eq!(commits.at(at(9)), position(20));
    }

    #[test]
    fn alarms_and_halted_partitions_are_reported() {
        assert_eq!(problem(r#"{"partitions":[{"partition":1,"state":"owned"}]}"#), None);
        let halted = r#"{"partitions":[{"partition":1,"state":"halted","reason":"gone"}]}"#;
        assert_eq!(problem(halted).unwrap(), "partition 1 halted: \"gone\"");
        assert_eq!(
            problem(r#"{"alarm":"two differ","partitions":[]}"#).unwrap(),
            "alarm: two differ"
        );
    }
}
