//! A statement: what somebody says that one partition adds up to, up to an offset.
//!
//! ```text
//! totals topic, partition p:  … slot 6 │ slot 7 │ slot 0 ─┐
//! GET /api/v1/partitions/p/totals of every board ─────────┴─► statements, by their offset
//! ```

use serde::Deserialize;

use super::limits::{SLOTS, TAIL_GROWTH, TAIL_RECORDS};
use super::recount::Totals;
use crate::queue::{LookupError, Reader};
use crate::totals::Fingerprint;

/// What a snapshot says, read without the code that writes it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Snapshot {
    pub(super) fold: u32,
    #[serde(default)]
    pub(super) epoch: u32,
    pub(super) log: String,
    pub(super) partition: i32,
    pub(super) from_offset: i64,
    pub(super) next_offset: i64,
    pub(super) gaps: Vec<[i64; 2]>,
    pub(super) last: Option<Fingerprint>,
    pub(super) window_from: i64,
    pub(super) writer: String,
    #[serde(flatten)]
    pub(super) totals: Totals,
}

/// A snapshot and who shows it.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    /// In words that a person can follow: the slot with its writer, or the board's address.
    pub(super) source: String,
    /// Whether a board serves it; otherwise it stands in the totals topic.
    pub(super) served: bool,
    pub(super) snapshot: Snapshot,
}

/// The newest snapshot in every slot of a partition of the totals topic, and how many records
/// there were no snapshots.
///
/// # Errors
/// When the topic cannot be read.
pub(super) fn in_slots(
    reader: &Reader,
    totals: &str,
    partition: i32,
) -> Result<(Vec<Statement>, usize), LookupError> {
    let (start, end) = reader.watermarks(totals, partition)?;
    let mut length = TAIL_RECORDS;
    loop {
        let from = start.max(end - length);
        let mut slots: [Option<Snapshot>; SLOTS] = Default::default();
        let mut strange = 0;
        reader.range(totals, partition, (from, end), |record| {
            let slot = record.key().and_then(|key| std::str::from_utf8(key).ok()?.parse().ok());
            let slot = slot.and_then(|slot: usize| slots.get_mut(slot));
            let read = serde_json::from_slice(record.value().unwrap_or_default());
            match (slot, read) {
                (Some(slot), Ok(snapshot)) => *slot = Some(snapshot),
                _ => strange += 1,
            }
        })?;
        if from == start || slots.iter().all(Option::is_some) {
            let found = (0..).zip(slots).filter_map(|(slot, snapshot): (usize, _)| {
                let snapshot = snapshot?;
                // Text from outside, and a terminal obeys control sequences.
                let writer = snapshot.writer.escape_debug();
                let source = format!("the snapshot in slot {slot}, written by {writer}");
                Some(Statement { source, served: false, snapshot })
            });
            return Ok((found.collect(), strange));
        }
        length = length.saturating_mul(TAIL_GROWTH);
    }
}
