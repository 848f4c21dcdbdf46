//! The model: what the totals of a log are by definition, computed in the slowest and plainest way, and logs to compare
//! it with the fold on.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::rating::{Rating, RatingId};
use crate::totals::hash::xxh64;
use crate::totals::{FOLD, Fingerprint, Hash, Window};

/// A window that copies can fall out of.
pub(super) const WINDOW: i64 = 8;

/// What happened to the partition besides its records, at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A take-over when the log began at this offset.
    TakeOver { log_start: i64 },
    /// Retention had taken everything from the position up to here, and that was recorded.
    Gap { to: i64 },
}

/// The definition: a second copy is a duplicate if the first stands in the `WINDOW` offsets before it, and not before
/// `window_from`.
pub(super) fn model(
    from_offset: i64,
    log: &[Entry],
    events: &[(i64, Event)],
    next_offset: i64,
) -> Snapshot {
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
        cuts: None,
        voices: BTreeMap::new(),
        writer: "test".to_owned(),
        generation: 1,
    };
    let mut ids: Vec<(i64, RatingId)> = Vec::new();
    for offset in from_offset..=next_offset {
        for (_, event) in events.iter().filter(|(at, _)| *at == offset) {
            match *event {
                Event::TakeOver { log_start } => {
                    let known = found.window_from.max(offset - WINDOW);
                    let cut = log_start.min(offset);
                    if cut > known {
                        found.window_from = cut;
                        let bytes = [offset.to_le_bytes(), cut.to_le_bytes()].concat();
                        found.cuts =
                            Some(Hash(xxh64(&bytes, found.cuts.map_or(0, |Hash(hash)| hash))));
                    }
                }
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
pub(super) fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
    let voices = || proptest::sample::select(vec!["a", "b", "c", "Big Bird"]);
    let json = (0..12_u8, voices(), voices(), 0..3_u8)
        .prop_map(|(id, one, other, score)| Some(rating(id, one, other, score).into_bytes()));
    let text = (voices(), voices(), 0..4_u8)
        .prop_map(|(one, other, score)| Some(format!("t|{one}|{other}|{score}").into_bytes()));
    let junk = proptest::collection::vec(any::<u8>(), 0..20).prop_map(Some);
    prop_oneof![12 => json, 1 => text, 1 => junk, 1 => Just(None)]
}

/// A log that begins anywhere, with holes where control records were.
pub(super) fn logs(records_max: usize) -> impl Strategy<Value = (i64, Vec<Entry>)> {
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

pub(super) fn end(from_offset: i64, log: &[Entry]) -> i64 {
    log.last().map_or(from_offset, |entry| entry.offset + 1)
}

pub(super) fn start(from_offset: i64) -> PartitionTotals {
    PartitionTotals::start_with(Window::new(WINDOW, from_offset), 0, from_offset)
}

/// Takes over from a snapshot as an owner does: re-reads what the log still has of the window.
pub(super) fn take_over(snapshot: Snapshot, log: &[Entry], log_start: i64) -> PartitionTotals {
    let mut totals =
        PartitionTotals::resume_with(Window::new(WINDOW, snapshot.next_offset), snapshot);
    let from = totals.begin_warm(log_start);
    // A reader may give more than was asked for, on both sides.
    log.iter()
        .filter(|entry| entry.offset >= log_start.min(from))
        .for_each(|entry| totals.warm(entry.record()));
    totals
}

pub(super) fn accounts(snapshot: &Snapshot, log: &[Entry]) -> bool {
    let gone = |offset| snapshot.gaps.iter().any(|[from, to]| (*from..*to).contains(&offset));
    let span = snapshot.from_offset..snapshot.next_offset;
    let records = log.iter().filter(|entry| span.contains(&entry.offset) && !gone(entry.offset));
    snapshot.counted + snapshot.duplicates + snapshot.dead == records.count() as u64
}

/// The model records gaps one by one; neighbours are one gap.
pub(super) fn merged(mut snapshot: Snapshot) -> Snapshot {
    let mut gaps: Vec<[i64; 2]> = Vec::new();
    for gap in std::mem::take(&mut snapshot.gaps) {
        match gaps.last_mut() {
            Some(last) if last[1] == gap[0] => last[1] = gap[1],
            _ => gaps.push(gap),
        }
    }
    Snapshot { gaps, ..snapshot }
}
