//! The verdict: compares the ledger, the log, the totals, the dead letters and the boards.
//!
//! ```text
//!  ledger ──┐
//!  log ─────┼─► recount ─► lost? misplaced? unexpected?
//!  totals ──┘      ├─► every snapshot on the way
//!  dead letters ───┼─► exactly the records that are not ratings
//!  boards ─────────┤
//!  group offset ───┴─► not ahead of the snapshots
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context as _, anyhow};
use erboh::queue::{KafkaSettings, Reader};

use super::fault::PARTITIONS;
use super::observer::{DEAD_LETTERS, Observer, RATINGS, TOTALS};
use super::recount::{Count, Entry, Recount};
use super::violation::{Guarantee, Violations};
use crate::ratings::ledger::{Ledger, RecordLocation};
use crate::ratings::rating::Ratings;
use crate::ratings::totals::Position;
use crate::ratings::totals::{Snapshot, Totals, differences};

/// What the topics contain.
pub(super) struct Evidence {
    pub(super) totals: Totals,
    pub(super) records: u64,
    pub(super) snapshots: u64,
    pub(super) violations: Violations,
}

/// Reads the topics from the beginning and compares them with the ledger and each other. Naive
/// consumers write neither snapshots nor dead letters.
pub(super) fn verify_log(
    bootstrap: &str,
    ratings: Ratings,
    ledger: &Ledger,
    naive_consumers: bool,
) -> anyhow::Result<Evidence> {
    let observer = Observer::connect(bootstrap)?;
    let reader = Reader::for_ranges(&KafkaSettings::new(bootstrap), "chaos-verdict")?;
    let mut recount = Recount::new(ratings, ledger);
    let (mut newest, mut snapshots) = (Position::new(), 0);
    for partition in 0..PARTITIONS {
        let mut written = if naive_consumers {
            Vec::new()
        } else {
            read_snapshots(&reader, &observer, partition, &mut recount.violations)?
        };
        written.sort_by_key(|snapshot| snapshot.next_offset);
        snapshots += written.len() as u64;
        newest.extend(written.last().map(|snapshot| (partition, snapshot.next_offset)));
        recount_partition(&reader, &observer, &mut recount, partition, &written)?;
    }
    recount.check_acknowledged();
    if !naive_consumers {
        let letters = read_dead_letters(&reader, &observer)?;
        check_dead_letters(&recount.dead(), &letters, &mut recount.violations);
        check_committed(&observer.committed()?, &newest, &mut recount.violations);
    }
    Ok(Evidence {
        totals: recount.totals(),
        records: recount.counts.iter().map(Count::records).sum(),
        snapshots,
        violations: recount.violations,
    })
}

/// Every snapshot of a partition that compaction has not removed.
fn read_snapshots(
    reader: &Reader,
    observer: &Observer,
    partition: i32,
    violations: &mut Violations,
) -> anyhow::Result<Vec<Snapshot>> {
    let range = observer.watermarks(TOTALS, partition)?;
    let mut snapshots = Vec::new();
    reader.range(TOTALS, partition, range, |record| {
        match serde_json::from_slice(record.value().unwrap_or_default()) {
            Ok(snapshot) => snapshots.push(snapshot),
            Err(error) => violations.add(
                Guarantee::SnapshotsAgree,
                format!("{TOTALS} {partition}, offset {}: {error}", record.offset()),
            ),
        }
    })?;
    Ok(snapshots)
}

/// Recounts a partition, and compares each snapshot with the count at its offset.
fn recount_partition(
    reader: &Reader,
    observer: &Observer,
    recount: &mut Recount<'_>,
    partition: i32,
    snapshots: &[Snapshot],
) -> anyhow::Result<()> {
    let (start, end) = observer.watermarks(RATINGS, partition)?;
    let mut count = Count::of(partition);
    let mut left = snapshots;
    reader.range(RATINGS, partition, (start, end), |record| {
        let due = left.iter().take_while(|one| one.next_offset <= record.offset()).count();
        let (now, later) = left.split_at(due);
        recount.check(&count, now);
        left = later;
        let entry = Entry { offset: record.offset(), key: record.key(), value: record.value() };
        recount.add(&mut count, entry);
    })?;
    recount.check(&count, left);
    if let Some(ahead) = left.iter().find(|one| one.next_offset > end) {
        let proof = format!(
            "partition {partition}: a snapshot by {} counted up to {}, the log ends at {end}",
            ahead.writer, ahead.next_offset
        );
        recount.violations.add(Guarantee::SnapshotsAgree, proof);
    }
    recount.finish(count);
    Ok(())
}

/// The locations named by the dead letters; one location may have several dead letters.
fn read_dead_letters(reader: &Reader, observer: &Observer) -> anyhow::Result<BTreeSet<(i32, i64)>> {
    let mut keys = Vec::new();
    for partition in 0..PARTITIONS {
        let range = observer.watermarks(DEAD_LETTERS, partition)?;
        reader.range(DEAD_LETTERS, partition, range, |record| {
            keys.push(String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned());
        })?;
    }
    keys.iter().map(|key| location(key).with_context(|| format!("dead letter {key:?}"))).collect()
}

/// Parses a key, `log|partition|offset`.
fn location(key: &str) -> anyhow::Result<(i32, i64)> {
    let mut parts = key.rsplit('|');
    let mut part = || parts.next().ok_or_else(|| anyhow!("the key has no partition and offset"));
    let offset = part()?.parse()?;
    Ok((part()?.parse()?, offset))
}

fn check_dead_letters(
    dead: &[RecordLocation],
    letters: &BTreeSet<(i32, i64)>,
    violations: &mut Violations,
) {
    let dead: BTreeSet<(i32, i64)> = dead.iter().map(|at| (at.partition, at.offset)).collect();
    let mut add = |locations: Vec<&(i32, i64)>, what: &str| {
        for (partition, offset) in locations {
            let proof = format!("partition {partition}, offset {offset} {what}");
            violations.add(Guarantee::DeadLetters, proof);
        }
    };
    add(dead.difference(letters).collect(), "is not a rating and has no dead letter");
    add(letters.difference(&dead).collect(), "is a rating and has a dead letter");
}

fn check_committed(committed: &Position, newest: &Position, violations: &mut Violations) {
    for (partition, offset) in committed {
        let saved = newest.get(partition).copied().unwrap_or(0);
        if *offset > saved {
            let proof =
                format!("partition {partition}: committed {offset}, newest snapshot {saved}");
            violations.add(Guarantee::CommittedIsSaved, proof);
        }
    }
}

/// Compares a board at the end with the recount.
pub(super) fn check_board(name: &str, board: &Totals, log: &Totals, violations: &mut Violations) {
    let numbers = |of: &Totals| {
        BTreeMap::from([("counted", of.counted), ("duplicates", of.duplicates), ("dead", of.dead)])
    };
    let mut wrong = String::new();
    for ((what, its), own) in numbers(board).into_iter().zip(numbers(log).into_values()) {
        if its > own {
            let _ = write!(wrong, "; {what} {its}, {} more than the log's {own}", its - own);
        } else if its < own {
            let _ = write!(wrong, "; {what} {its}, {} less than the log's {own}", own - its);
        }
    }
    wrong.push_str(&differences(&log.voices, &board.voices));
    for (partition, end) in &log.position {
        let at = board.position.get(partition).copied().unwrap_or(0);
        if at != *end {
            let _ = write!(wrong, "; partition {partition} is at {at} of {end}");
        }
    }
    if !board.exact {
        wrong.push_str("; it reports that it is not exact");
    }
    if !wrong.is_empty() {
        violations.add(Guarantee::CountedOnce, format!("the board of {name}{wrong}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals() -> Totals {
        Totals {
            voices: BTreeMap::from([("A".to_owned(), [1, 2, 3]), ("B".to_owned(), [1, 2, 3])]),
            counted: 6,
            duplicates: 2,
            dead: 1,
            exact: true,
            position: BTreeMap::from([(0, 9)]),
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Totals), expected: &str) {
        let (mut board, mut violations) = (totals(), Violations::default());
        change(&mut board);
        check_board("consumer-0", &board, &totals(), &mut violations);
        assert_eq!(violations.is_empty(), expected.is_empty(), "{violations}");
        assert!(violations.to_string().contains(expected), "{violations}");
    }

    #[test]
    fn board_must_match_the_log_exactly() {
        check(|_| {}, "");
        check(|board| board.counted += 1, "counted 7, 1 more than the log's 6");
        check(|board| board.dead = 0, "dead 0, 1 less than the log's 1");
        check(
            |board| board.voices.get_mut("B").unwrap()[1] = 9,
            "B: [1, 9, 3] instead of [1, 2, 3]",
        );
        check(|board| _ = board.voices.remove("A"), "A: [0, 0, 0] instead of [1, 2, 3]");
        check(|board| board.exact = false, "not exact");
        check(|board| board.position.clear(), "partition 0 is at 0 of 9");
    }

    #[test]
    fn dead_letters_must_match_the_malformed_records() {
        let mut violations = Violations::default();
        let dead = [1, 2].map(|offset| RecordLocation { partition: 0, offset });
        check_dead_letters(&dead, &BTreeSet::from([(0, 1), (0, 2)]), &mut violations);
        assert!(violations.is_empty());
        check_dead_letters(&dead, &BTreeSet::from([(0, 1), (1, 2)]), &mut violations);
        assert_eq!(violations.count(Guarantee::DeadLetters), 2);
        assert_eq!(location("7b1c|11|12345").unwrap(), (11, 12_345));
        assert!(location("7").is_err() && location("a|b|c").is_err());
    }

    #[test]
    fn commit_ahead_of_the_snapshots_is_reported() {
        let mut violations = Violations::default();
        let newest = BTreeMap::from([(0, 5)]);
        check_committed(&BTreeMap::from([(0, 5)]), &newest, &mut violations);
        assert!(violations.is_empty());
        check_committed(&BTreeMap::from([(0, 6), (1, 1)]), &newest, &mut violations);
        assert_eq!(violations.count(Guarantee::CommittedIsSaved), 2);
    }
}
