//! Recovery: how long it takes after a fault until the whole works again.
//!
//! ```text
//!  begin ───────────────► sent, acknowledged ─────────────► on the boards: recovered
//!  (a fault, or its end)  one rating in every partition
//! ```
//!
//! Nothing is measured from inside: it has recovered when ratings that were sent *after* the fault
//! began are acknowledged in every partition and are on every board that runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ratings::ledger::Place;
use crate::ratings::totals::Position;

/// A moment from which a recovery is measured.
struct Mark {
    name: u64,
    since: Instant,
    /// For each partition, where the first rating after the moment ends; none before there is one.
    needed: Vec<Option<i64>>,
}

/// What one replica shows.
#[derive(Clone, Default)]
struct Replica {
    running: bool,
    position: Option<Position>,
}

/// All recoveries that are being waited for.
pub(super) struct Recoveries {
    partitions: usize,
    replicas: Vec<Replica>,
    open: Vec<Mark>,
    next: u64,
    done: BTreeMap<u64, Duration>,
}

impl Recoveries {
    /// For so many replicas, none of which runs yet.
    pub(super) fn new(replicas: usize, partitions: usize) -> Self {
        let replicas = vec![Replica::default(); replicas];
        Self { partitions, replicas, open: Vec::new(), next: 0, done: BTreeMap::new() }
    }

    /// Begins to measure, and answers the name of the measurement.
    pub(super) fn begin(&mut self, since: Instant) -> u64 {
        let name = self.next;
        self.next += 1;
        self.open.push(Mark { name, since, needed: vec![None; self.partitions] });
        name
    }

    /// How long a recovery took, once it is over.
    pub(super) fn took(&self, name: u64) -> Option<Duration> {
        self.done.get(&name).copied()
    }

    /// Measurements that are not over.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// Notes an acknowledged rating and when it was sent for the first time.
    pub(super) fn acknowledged(&mut self, sent: Instant, place: Place) {
        for mark in self.open.iter_mut().filter(|mark| mark.since <= sent) {
            let needed = usize::try_from(place.partition).ok().and_then(|p| mark.needed.get_mut(p));
            if let Some(needed) = needed {
                needed.get_or_insert(place.offset + 1);
            }
        }
    }

    /// Notes that a replica runs, or that it does not because of a fault. Either way nothing is
    /// known of its board.
    pub(super) fn running(&mut self, replica: usize, running: bool) {
        self.replicas[replica] = Replica { running, position: None };
    }

    /// Notes what a replica shows, and which recoveries are over with it.
    pub(super) fn shows(&mut self, replica: usize, position: Position, now: Instant) {
        self.replicas[replica].position = Some(position);
        let Self { replicas, open, done, .. } = self;
        open.retain(|mark| {
            let over = is_over(mark, replicas);
            if over {
                done.insert(mark.name, now.duration_since(mark.since));
            }
            !over
        });
    }
}

fn is_over(mark: &Mark, replicas: &[Replica]) -> bool {
    let mut running = replicas.iter().filter(|replica| replica.running).peekable();
    let passed = |replica: &Replica| {
        let Some(position) = &replica.position else { return false };
        let mut partitions = (0..).zip(&mark.needed);
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

    fn place(partition: i32, offset: i64) -> Place {
        Place { partition, offset }
    }

    #[test]
    fn it_is_over_when_every_running_board_has_every_partition() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut recoveries = Recoveries::new(3, 2);
        (0..3).for_each(|replica| recoveries.running(replica, true));
        let mark = recoveries.begin(at(10));
        recoveries.running(2, false);
        recoveries.acknowledged(at(9), place(0, 1));
        recoveries.acknowledged(at(11), place(0, 5));
        recoveries.acknowledged(at(12), place(0, 8));
        recoveries.shows(0, position(6, 90), at(13));
        recoveries.shows(1, position(6, 90), at(14));
        assert_eq!(recoveries.took(mark), None, "nothing was acknowledged in partition 1");
        recoveries.acknowledged(at(15), place(1, 90));
        recoveries.shows(0, position(9, 91), at(16));
        assert_eq!(recoveries.took(mark), None, "replica 1 does not show it");
        recoveries.running(2, true);
        recoveries.shows(1, position(6, 91), at(17));
        assert_eq!(recoveries.took(mark), None, "replica 2 runs and was not heard");
        recoveries.running(2, false);
        recoveries.shows(1, position(6, 91), at(18));
        assert_eq!(recoveries.took(mark), Some(Duration::from_secs(8)));
        assert_eq!(recoveries.open(), 0);
    }

    #[test]
    fn without_any_board_nothing_has_recovered() {
        let now = Instant::now();
        let mut recoveries = Recoveries::new(1, 1);
        recoveries.running(0, true);
        let mark = recoveries.begin(now);
        recoveries.acknowledged(now, place(0, 0));
        recoveries.running(0, false);
        recoveries.shows(0, BTreeMap::from([(0, 9)]), now);
        assert_eq!(recoveries.took(mark), None);
    }
}
