//! Owners: several engines count one partition. They take it over from each other's snapshots, count side by side
//! without knowing of each other, are delivered records again, and lose the start of the log to retention. Whatever they
//! do, each snapshot is what the definition says.

use proptest::prelude::*;

use super::model::*;
use super::*;
use crate::totals::board::Board;
use crate::totals::{Fingerprint, Window};

/// Engines that may run at the same time; all but one are zombies.
const OWNERS: usize = 3;

/// One thing that an owner does, or that happens to it.
#[derive(Clone, Debug)]
enum Step {
    /// The next records of the log are applied, this many.
    Apply { who: usize, count: usize },
    /// The broker delivers some of the last records again.
    Again { who: usize, count: usize },
    /// A control record is all that stands before the next record: the position moves this far at most.
    Advance { who: usize, by: i64 },
    /// A snapshot is written.
    Write { who: usize },
    /// The owner is gone; its successor takes over from one of the snapshots, as many before the newest as this says.
    /// While it fills its window some records are delivered again.
    TakeOver { who: usize, back: usize, again: usize },
    /// The log now begins this much later.
    Retain { by: i64 },
}

fn steps(retain: u32) -> impl Strategy<Value = Vec<Step>> {
    let who = || 0..OWNERS;
    let back = prop_oneof![3 => Just(0_usize), 1 => 1..5_usize];
    let step = prop_oneof![
        8 => (who(), 1..8_usize).prop_map(|(who, count)| Step::Apply { who, count }),
        1 => (who(), 1..20_usize).prop_map(|(who, count)| Step::Again { who, count }),
        1 => (who(), 1..9_i64).prop_map(|(who, by)| Step::Advance { who, by }),
        6 => who().prop_map(|who| Step::Write { who }),
        4 => (who(), back, 0..12_usize)
            .prop_map(|(who, back, again)| Step::TakeOver { who, back, again }),
        retain => (1..9_i64).prop_map(|by| Step::Retain { by }),
    ];
    proptest::collection::vec(step, 0..120)
}

#[derive(Clone)]
struct Owner {
    totals: PartitionTotals,
    /// What happened to the totals besides their records.
    past: Vec<(i64, Event)>,
}

struct World {
    from: i64,
    log: Vec<Entry>,
    log_start: i64,
    owners: Vec<Owner>,
    /// Snapshots in the order in which they were written, each with the past of its totals.
    written: Vec<(Snapshot, Vec<(i64, Event)>)>,
}

impl World {
    fn new(from: i64, log: Vec<Entry>) -> Self {
        let owner = Owner { totals: start(from), past: Vec::new() };
        let written = vec![(snapshot(&owner.totals), Vec::new())];
        Self { from, log, log_start: from, owners: vec![owner; OWNERS], written }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Apply { who, count } => self.apply(who, count),
            Step::Again { who, count } => {
                let totals = &mut self.owners[who].totals;
                let past = self.log.iter().filter(|entry| entry.offset < totals.next_offset());
                let past: Vec<_> = past.collect();
                for entry in &past[past.len().saturating_sub(count)..] {
                    assert_eq!(totals.apply(entry.record()), Outcome::Past);
                }
            }
            Step::Advance { who, by } => {
                let totals = &mut self.owners[who].totals;
                let next = totals.next_offset();
                let record = self.log.iter().map(|entry| entry.offset).find(|at| *at >= next);
                totals.advance_to(record.map_or(next, |at| at.min(next + by)));
            }
            Step::Write { who } => {
                let Owner { totals, past } = &self.owners[who];
                self.written.push((snapshot(totals), past.clone()));
            }
            Step::TakeOver { who, back, again } => self.take_over(who, back, again),
            Step::Retain { by } => {
                self.log_start = (self.log_start + by).min(end(self.from, &self.log));
            }
        }
    }

    fn apply(&mut self, who: usize, count: usize) {
        if self.owners[who].totals.next_offset() < self.log_start {
            // The reader says that its position is gone.
            self.take_over(who, 0, 0);
        }
        let totals = &mut self.owners[who].totals;
        let next_offset = totals.next_offset();
        let next = self.log.iter().filter(|entry| entry.offset >= next_offset).take(count);
        next.for_each(|entry| drop(totals.apply(entry.record())));
    }

    fn take_over(&mut self, who: usize, back: usize, again: usize) {
        let (snapshot, mut past) =
            self.written[self.written.len().saturating_sub(1 + back)].clone();
        let position = snapshot.next_offset;
        let window = Window::new(WINDOW, position);
        let mut totals = PartitionTotals::resume_with(window, snapshot);
        if self.log_start > position {
            totals.gap(position, self.log_start);
            past.push((position, Event::Gap { to: self.log_start }));
        } else {
            let from = totals.begin_warm(self.log_start);
            assert!(from >= self.log_start && from <= position, "{from}");
            past.push((position, Event::TakeOver { log_start: self.log_start }));
            // A reader may give more than was asked for, on both sides, and some of it again.
            let there: Vec<_> =
                self.log.iter().filter(|entry| entry.offset >= self.log_start).collect();
            for entry in there.iter().chain(there.iter().take(again)) {
                totals.warm(entry.record());
            }
        }
        self.owners[who] = Owner { totals, past };
    }

    /// Takes all steps; then everybody counts to the end and writes.
    fn run(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
        }
        for who in 0..OWNERS {
            self.apply(who, usize::MAX);
            self.step(&Step::Write { who });
        }
    }

    /// What must hold of all that was written.
    fn check(&self) {
        let mut board = Board::new();
        for (found, past) in &self.written {
            let expected = merged(model(self.from, &self.log, past, found.next_offset));
            assert_eq!(text(found), text(&expected));
            assert!(accounts(found, &self.log), "{found:?}");
            let before = board.position();
            board.merge(found.clone());
            assert!(board.position()[&0] >= before.get(&0).copied().unwrap_or(0));
        }
        for (one, _) in &self.written {
            for (other, _) in &self.written {
                assert!(!one.contradicts(other), "{}\n{}", text(one), text(other));
            }
        }
        let furthest = self.written.iter().map(|(found, _)| found.next_offset).max();
        assert_eq!(board.position().get(&0).copied(), furthest);
    }
}

fn text(snapshot: &Snapshot) -> String {
    String::from_utf8(snapshot.to_json()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// I1: as long as the log has what the windows need, every snapshot that anybody ever writes is, byte for byte, that
    /// of one pass up to its offset.
    #[test]
    fn many_owners_write_the_bytes_of_one_pass((from, log) in logs(160), steps in steps(0)) {
        let mut world = World::new(from, log);
        world.run(&steps);
        world.check();
        for (found, _) in &world.written {
            let one_pass = model(from, &world.log, &[], found.next_offset);
            prop_assert_eq!(text(found), text(&one_pass));
        }
    }

    /// Where retention has taken a part of a window, or records that nobody had counted, the snapshots name it: two that
    /// name the same are equal, and nobody raises a false alarm.
    #[test]
    fn many_owners_name_what_retention_took((from, log) in logs(100), steps in steps(3)) {
        let mut world = World::new(from, log);
        world.run(&steps);
        world.check();
    }

    /// The log loses its end, as an unclean leader election does it, and goes on with other records. Whoever takes over
    /// goes on from the newest snapshot that fits; from then on the board shows one pass over the log that is there,
    /// whatever a zombie of the former log still writes.
    #[test]
    fn a_log_that_lost_its_end_is_counted_as_it_is(
        (from, former) in logs(40),
        (_, other) in logs(40),
        keep in 0..40_usize,
        writes in proptest::collection::vec(0..60_i64, 0..8),
        shuffle in any::<u64>(),
    ) {
        let mut log: Vec<Entry> = former[..keep.min(former.len())].to_vec();
        let moved = end(from, &log) - other.first().map_or(0, |entry| entry.offset);
        log.extend(other.iter().map(|entry| Entry {
            offset: entry.offset + moved,
            // It is another record, whatever it says.
            timestamp_ms: entry.timestamp_ms + 1_000,
            ..entry.clone()
        }));
        let count = |mut totals: PartitionTotals, log: &[Entry], writes: &[i64]| {
            let mut written = vec![snapshot(&totals)];
            for entry in log.iter().filter(|entry| entry.offset >= totals.next_offset()).collect::<Vec<_>>() {
                totals.apply(entry.record());
                if writes.contains(&entry.offset) {
                    written.push(snapshot(&totals));
                }
            }
            written.push(snapshot(&totals));
            written
        };
        let mut zombie = count(start(from), &former, &writes);

        let prints = |entry: &Entry| {
            Fingerprint::of(entry.offset, entry.timestamp_ms, entry.key.as_deref(), entry.value.as_deref())
        };
        let fits = |of: &&Snapshot| {
            of.next_offset <= end(from, &log)
                && of.last.is_none_or(|last| log.iter().any(|entry| prints(entry) == last))
        };
        let newest = zombie.last().cloned().unwrap();
        let chosen = zombie.iter().rev().find(fits).cloned().unwrap();
        let epoch = u32::from(chosen.next_offset != newest.next_offset);
        let mut totals = take_over(chosen, &log, from);
        if epoch > 0 {
            totals.supersede(&newest);
        }
        let owner = count(totals, &log, &writes);
        for found in &owner {
            let expected = Snapshot { epoch, ..model(from, &log, &[], found.next_offset) };
            prop_assert_eq!(text(found), text(&expected));
        }

        let last = owner.last().cloned().unwrap();
        zombie.extend(owner);
        let mut order: Vec<_> = (0..zombie.len()).collect();
        order.sort_by_key(|at| (*at as u64 ^ shuffle).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut board = Board::new();
        for at in order {
            prop_assert_ne!(board.merge(zombie[at].clone()), crate::totals::board::Merged::Contradiction);
        }
        prop_assert_eq!(board.position().get(&0).copied(), Some(last.next_offset));
        prop_assert_eq!(board.counted(), last.counted);
    }
}
