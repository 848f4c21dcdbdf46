//! Recovery times: from a fault until the whole system works again.
//!
//! ```text
//!  start ───────────────► sent, acknowledged ─────────────► on the boards: recovered
//!  (a fault, or its end)  one rating per partition
//! ```
//!
//! Measured from outside: the system has recovered when ratings sent *after* the start are
//! acknowledged in every partition and shown by every running board.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ratings::ledger::RecordLocation;
use crate::ratings::totals::Position;

/// A running measurement.
struct Measurement {
    id: u64,
    since: Instant,
    /// For each partition, the offset after the first rating sent since the start, once
    /// acknowledged.
    needed: Vec<Option<i64>>,
}

/// The state of one replica.
#[derive(Clone, Default)]
struct Replica {
    running: bool,
    position: Option<Position>,
}

/// All recovery measurements.
pub(super) struct Recoveries {
    partitions: usize,
    replicas: Vec<Replica>,
    open: Vec<Measurement>,
    next: u64,
    done: BTreeMap<u64, Duration>,
}

impl Recoveries {
    /// For a number of replicas, none of which is running yet.
    pub(super) fn new(replicas: usize, partitions: usize) -> Self {
        let replicas = vec![Replica::default(); replicas];
        Self { partitions, replicas, open: Vec::new(), next: 0, done: BTreeMap::new() }
    }

    /// Begins a measurement and returns its id.
    pub(super) fn begin(&mut self, since: Instant) -> u64 {
        let id = self.next;
        self.next += 1;
        self.open.push(Measurement { id, since, needed: vec![None; self.partitions] });
        id
    }

    /// How long a recovery took, once the system has recovered.
    pub(super) fn took(&self, id: u64) -> Option<Duration> {
        self.done.get(&id).copied()
    }

    /// The number of running measurements.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// Records an acknowledged rating and when it was first sent.
    pub(super) fn acknowledged(&mut self, sent: Instant, location: RecordLocation) {
        for mark in self.open.iter_mut().filter(|mark| mark.since <= sent) {
            let needed =
                usize::try_from(location.partition).ok().and_then(|p| mark.needed.get_mut(p));
            if let Some(needed) = needed {
                needed.get_or_insert(location.offset + 1);
            }
        }
    }

    /// Records that a replica is running, or that a fault has stopped it. Its board is unknown
    /// afterwards.
    pub(super) fn running(&mut self, replica: usize, running: bool) {
        self.replicas[replica] = Replica { running, position: None };
    }

    /// Records the position of a replica's board, and completes the measurements that it satisfies.
    pub(super) fn shows(&mut self, replica: usize, position: Position, now: Instant) {
        self.replicas[replica].position = Some(position);
        let Self { replicas, open, done, .. } = self;
        open.retain(|measurement| {
            let recovered = is_recovered(measurement, replicas);
            if recovered {
                done.insert(measurement.id, now.duration_since(measurement.since));
            }
            !recovered
        });
    }
}

fn is_recovered(measurement: &Measurement, replicas: &[Replica]) -> bool {
    let mut running = replicas.iter().filter(|replica| replica.running).peekable();
    let passed = |replica: &Replica| {
        let Some(position) = &replica.position else { return false };
        let mut partitions = (0..).zip(&measurement.needed);
        partitions.all(|(partition, needed)| {
            needed.is_some_and(|needed| position.get(&partition).is_some_and(|at| *at >= needed))
        })
    };
    running.peek().is_some() && running.all(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(first: i64, second: i64) -> Position {
        BTreeMap::from([(0, first), (1, second)])
    }

    fn location(partition: i32, offset: i64) -> RecordLocation {
        RecordLocation { partition, offset }
    }

    #[test]
    fn recovery_needs_every_partition_on_every_running_board() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut recoveries = Recoveries::new(3, 2);
        (0..3).for_each(|replica| recoveries.running(replica, true));
        let mark = recoveries.begin(at(10));
        recoveries.running(2, false);
        recoveries.acknowledged(at(9), location(0, 1));
        recoveries.acknowledged(at(11), location(0, 5));
        recoveries.acknowledged(at(12), location(0, 8));
        recoveries.shows(0, position(6, 90), at(13));
        recoveries.shows(1, position(6, 90), at(14));
        assert_eq!(recoveries.took(mark), None, "no rating was acknowledged in partition 1");
        recoveries.acknowledged(at(15), location(1, 90));
        recoveries.shows(0, position(9, 91), at(16));
        assert_eq!(recoveries.took(mark), None, "replica 1 does not show it");
        recoveries.running(2, true);
        recoveries.shows(1, position(6, 91), at(17));
        assert_eq!(recoveries.took(mark), None, "replica 2 is running and its board is unknown");
        recoveries.running(2, false);
        recoveries.shows(1, position(6, 91), at(18));
        assert_eq!(recoveries.took(mark), Some(Duration::from_secs(8)));
        assert_eq!(recoveries.open(), 0);
    }

    #[test]
    fn no_recovery_without_a_running_board() {
        let now = Instant::now();
        let mut recoveries = Recoveries::new(1, 1);
        recoveries.running(0, true);
        let mark = recoveries.begin(now);
        recoveries.acknowledged(now, location(0, 0));
        recoveries.running(0, false);
        recoveries.shows(0, BTreeMap::from([(0, 9)]), now);
        assert_eq!(recoveries.took(mark), None);
    }
}
