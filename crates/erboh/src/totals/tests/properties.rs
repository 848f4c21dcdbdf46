//! Properties: whoever folds a log, however often it changes hands, gets what one pass gives; and one pass gives what
//! the definition says, computed here in the slowest and plainest way.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::rating::{Rating, RatingId};
use crate::totals::{FOLD, Fingerprint, Window};

/// A window that copies can fall out of.
const WINDOW: i64 = 8;

/// What happened to the partition besides its records, at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// A take-over when the log began at this offset.
    TakeOver { log_start: i64 },
    /// Retention had taken everything from the position up to here, and that was recorded.
    Gap { to: i64 },
}

/// The definition: a second copy is a duplicate if the first stands in the `WINDOW` offsets before it, and not before
/// `window_from`.
fn model(from_offset: i64, log: &[Entry], events: &[(i64, Event)], next_offset: i64) -> Snapshot {
    let mut found = Snapshot {
        fold: FOLD,
        epoch: 0,
        log: String::new(),
        partition: 0,
        from_offset,
        next_offset,
        counted: 0,
        duplicates: 0,
        dead: 0,
        gaps: Vec::new(),
        last: None,
        window_from: from_offset,
        voices: BTreeMap::new(),
        writer: "test".to_owned(),
        generation: 1,
    };
    let mut ids: Vec<(i64, RatingId)> = Vec::new();
    for offset in from_offset..=next_offset {
        for (_, event) in events.iter().filter(|(at, _)| *at == offset) {
            match *event {
                Event::TakeOver { log_start }
                    if log_start > found.window_from.max(offset - WINDOW) =>
                {
                    found.window_from = log_start.min(offset);
                }
                Event::TakeOver { .. } => {}
                Event::Gap { to } => {
                    found.gaps.push([offset, to]);
                    found.window_from = to;
                }
            }
        }
        let gone = found.gaps.iter().any(|[from, to]| (*from..*to).contains(&offset));
        let Some(entry) = log.iter().find(|entry| entry.offset == offset && !gone) else {
            continue;
        };
        if offset == next_offset {
            continue;
        }
        let Entry { timestamp_ms, key, value, .. } = entry;
        let print = Fingerprint::of(offset, *timestamp_ms, key.as_deref(), value.as_deref());
        if found.last.is_none() {
            found.log = print.hash.to_string();
        }
        found.last = Some(print);
        match value.as_deref().map(Rating::parse) {
            None | Some(Err(_)) => found.dead += 1,
            Some(Ok(rating)) => {
                let known = found.window_from.max(offset - WINDOW)..offset;
                let copy =
                    |(at, id): &(i64, RatingId)| known.contains(at) && Some(*id) == rating.id;
                if ids.iter().any(copy) {
                    found.duplicates += 1;
                } else {
                    found.counted += 1;
                    for voice in [rating.voice1, rating.voice2] {
                        found.voices.entry(voice).or_default().add(rating.score);
                    }
                }
                ids.extend(rating.id.map(|id| (offset, id)));
            }
        }
    }
    found
}

/// Values of every kind; few ids, so that there are many copies.
fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
    let voices = || proptest::sample::select(vec!["a", "b", "c", "Big Bird"]);
    let json = (0..12_u8, voices(), voices(), 0..3_u8)
        .prop_map(|(id, one, other, score)| Some(rating(id, one, other, score).into_bytes()));
    let text = (voices(), voices(), 0..4_u8)
        .prop_map(|(one, other, score)| Some(format!("t|{one}|{other}|{score}").into_bytes()));
    let junk = proptest::collection::vec(any::<u8>(), 0..20).prop_map(Some);
    prop_oneof![12 => json, 1 => text, 1 => junk, 1 => Just(None)]
}

/// A log that begins anywhere, with holes where control records were.
fn logs(records_max: usize) -> impl Strategy<Value = (i64, Vec<Entry>)> {
    let key = proptest::option::of(0..12_u8).prop_map(|key| key.map(|key| id(key).into_bytes()));
    let ahead = prop_oneof![20 => Just(0_i64), 2 => 1_i64..4, 1 => 4_i64..20];
    let entries = proptest::collection::vec((ahead, key, value(), 0..9_i64), 0..records_max);
    (0..20_i64, entries).prop_map(|(from, entries)| {
        let mut next = from;
        let entries = entries.into_iter().map(|(ahead, key, value, timestamp_ms)| {
            let offset = next + ahead;
            next = offset + 1;
            Entry { offset, timestamp_ms, key, value }
        });
        (from, entries.collect())
    })
}

fn end(from_offset: i64, log: &[Entry]) -> i64 {
    log.last().map_or(from_offset, |entry| entry.offset + 1)
}

fn start(from_offset: i64) -> PartitionTotals {
    PartitionTotals::start_with(Window::new(WINDOW, from_offset), 0, from_offset)
}

/// Takes over from a snapshot as an owner does: re-reads what the log still has of the window.
fn take_over(snapshot: Snapshot, log: &[Entry], log_start: i64) -> PartitionTotals {
    let mut totals =
        PartitionTotals::resume_with(Window::new(WINDOW, snapshot.next_offset), snapshot);
    let from = totals.begin_warm(log_start);
    // A reader may give more than was asked for, on both sides.
    log.iter()
        .filter(|entry| entry.offset >= log_start.min(from))
        .for_each(|entry| totals.warm(entry.record()));
    totals
}

fn accounts(snapshot: &Snapshot, log: &[Entry]) -> bool {
    let gone = |offset| snapshot.gaps.iter().any(|[from, to]| (*from..*to).contains(&offset));
    let span = snapshot.from_offset..snapshot.next_offset;
    let records = log.iter().filter(|entry| span.contains(&entry.offset) && !gone(entry.offset));
    snapshot.counted + snapshot.duplicates + snapshot.dead == records.count() as u64
}

/// One thing that an owner does, or that happens to it.
#[derive(Clone, Debug)]
enum Step {
    /// The next records of the log are applied, this many.
    Apply(usize),
    /// The broker delivers some of the last records again.
    Again(usize),
    /// A snapshot is written.
    Write,
    /// The owner is gone; another takes over from one of the snapshots, as many before the newest as this says.
    Crash(usize),
    /// An owner that does not know it lost the partition counts on, this many records, and writes.
    Zombie(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..8_usize).prop_map(Step::Apply),
        1 => (1..20_usize).prop_map(Step::Again),
        5 => Just(Step::Write),
        5 => prop_oneof![3 => Just(0_usize), 1 => 1..3_usize].prop_map(Step::Crash),
        1 => (0..12_usize).prop_map(Step::Zombie),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn one_pass_gives_what_the_definition_says((from, log) in logs(60)) {
        let mut totals = start(from);
        for entry in &log {
            totals.apply(entry.record());
            let found = snapshot(&totals);
            prop_assert_eq!(&found, &model(from, &log, &[], found.next_offset));
            prop_assert!(accounts(&found, &log));
        }
        // A control record at the end moves the position and nothing else.
        totals.advance_to(end(from, &log) + 1);
        prop_assert_eq!(snapshot(&totals), model(from, &log, &[], end(from, &log) + 1));
    }

    /// I1: every snapshot that any owner ever writes is, byte for byte, that of one pass up to its offset.
    #[test]
    fn many_owners_write_the_bytes_of_one_pass((from, log) in logs(160), steps in steps()) {
        let mut owner = start(from);
        let mut written = vec![snapshot(&owner)];
        let next = |totals: &PartitionTotals, count: usize| {
            let next_offset = totals.next_offset();
            log.iter().filter(move |entry| entry.offset >= next_offset).take(count)
        };
        for step in steps {
            match step {
                Step::Apply(count) => next(&owner, count).for_each(|entry| drop(owner.apply(entry.record()))),
                Step::Again(count) => {
                    let past: Vec<_> = log.iter().filter(|entry| entry.offset < owner.next_offset()).collect();
                    for entry in past.iter().rev().take(count).rev() {
                        prop_assert_eq!(owner.apply(entry.record()), Outcome::Past);
                    }
                }
                Step::Write => written.push(snapshot(&owner)),
                Step::Crash(back) => {
                    let chosen = written[written.len().saturating_sub(1 + back)].clone();
                    owner = take_over(chosen, &log, from);
                }
                Step::Zombie(count) => {
                    let mut zombie = owner.clone();
                    next(&zombie, count).for_each(|entry| drop(zombie.apply(entry.record())));
                    written.push(snapshot(&zombie));
                }
            }
        }
        next(&owner, usize::MAX).for_each(|entry| drop(owner.apply(entry.record())));
        written.push(snapshot(&owner));
        for found in written {
            let expected = model(from, &log, &[], found.next_offset);
            prop_assert_eq!(found.to_json(), expected.to_json());
            prop_assert!(found.same_totals(&expected));
        }
    }

    /// Retention may take what the window needs, and what was not counted: then the snapshot names it, and is a function
    /// of the log and of what it names.
    #[test]
    fn what_retention_took_is_named(
        (from, log) in logs(60),
        take_overs in proptest::collection::vec((0..10_usize, 0..14_i64, any::<bool>()), 0..6),
    ) {
        let mut owner = start(from);
        let (mut events, mut log_start) = (Vec::new(), from);
        let end = end(from, &log);
        for (count, reach, record_gap) in take_overs {
            let next_offset = owner.next_offset();
            let next = log.iter().filter(|entry| entry.offset >= next_offset.max(log_start)).take(count);
            next.for_each(|entry| drop(owner.apply(entry.record())));
            // The log start moves to some offset around the position, never back.
            let position = owner.next_offset();
            let latest = if record_gap { end } else { position };
            log_start = (position - WINDOW - 3 + reach).min(latest).max(log_start);
            owner = take_over(snapshot(&owner), &log, log_start);
            events.push((position, Event::TakeOver { log_start }));
            if log_start > position {
                owner.gap(position, log_start);
                events.push((position, Event::Gap { to: log_start }));
            }
            let found = snapshot(&owner);
            prop_assert!(accounts(&found, &log));
        }
        apply(&mut owner, &log);
        let found = snapshot(&owner);
        let expected = model(from, &log, &events, found.next_offset);
        prop_assert_eq!(found.to_json(), merged(expected).to_json());
        prop_assert!(accounts(&found, &log));
        prop_assert_eq!(found.exact(), !events.iter().any(|(_, event)| matches!(event, Event::Gap { .. })));
    }

    /// Cutting the window matters to second copies only: without any, nothing but `window_from` differs.
    #[test]
    fn a_cut_window_changes_nothing_else_where_there_are_no_copies(count in 1..50_u8, at in 0..50_usize, reach in 0..WINDOW) {
        let values: Vec<_> = (0..count).map(|id| rating(id, "a", "b", id % 3)).collect();
        let log = log(0, &values.iter().map(String::as_str).collect::<Vec<_>>());
        let at = at.min(log.len());
        let mut totals = start(0);
        apply(&mut totals, &log[..at]);
        let mut totals = take_over(snapshot(&totals), &log, at as i64 - reach);
        apply(&mut totals, &log[at..]);
        let mut one_pass = start(0);
        apply(&mut one_pass, &log);
        let found = snapshot(&totals);
        prop_assert!(!found.contradicts(&snapshot(&one_pass)));
        prop_assert_eq!(Snapshot { window_from: 0, ..found }, snapshot(&one_pass));
    }

    #[test]
    fn any_bytes_are_no_snapshot_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Snapshot::from_json(&bytes).is_err());
    }

    /// Whatever one byte of a snapshot becomes, reading it does not panic, and what is read adds up.
    #[test]
    fn a_damaged_snapshot_does_no_harm((from, log) in logs(60), at in 0..600_usize, byte in any::<u8>()) {
        let mut totals = start(from);
        apply(&mut totals, &log);
        let mut bytes = snapshot(&totals).to_json();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(read) = Snapshot::from_json(&bytes) {
            let mut totals = take_over(read.clone(), &log, from);
            apply(&mut totals, &log);
            let after = totals.snapshot("test", 1);
            prop_assert!(after.counted >= read.counted && after.next_offset >= read.next_offset);
        }
    }
}

/// The model records gaps one by one; neighbours are one gap.
fn merged(mut snapshot: Snapshot) -> Snapshot {
    let mut gaps: Vec<[i64; 2]> = Vec::new();
    for gap in std::mem::take(&mut snapshot.gaps) {
        match gaps.last_mut() {
            Some(last) if last[1] == gap[0] => last[1] = gap[1],
            _ => gaps.push(gap),
        }
    }
    Snapshot { gaps, ..snapshot }
}
