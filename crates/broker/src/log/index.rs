//! The sparse index of a segment: which offset and time lies where.
//!
//! It is built in memory while batches are appended. Once the segment's bytes are on the disk it is
//! written beside it, so a valid index file whose size is that of the segment also says "these bytes
//! are whole": recovery checks only segments without one.
//!
//! ```text
//!  <base offset>.index
//!  version u32 │ size u64 │ next offset │ max timestamp │ first append │ entries… │ crc u32
//!              │          │     i64     │      i64      │     i64      │ 3×i64    │ of all
//! ```

use super::batch::Header;
use super::files;
use crate::limits::INDEX_INTERVAL_BYTES;
use bytes::{Buf, BufMut, BytesMut};
use std::io;
use std::path::Path;

const VERSION: u32 = 1;
const FIXED_BYTES: usize = 4 + 4 * 8;
const ENTRY_BYTES: usize = 24;

/// Where a batch lies, and what came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    offset: i64,
    position: u64,
    /// The newest timestamp in the segment before this batch, so it never falls from entry to entry.
    max_timestamp_before_ms: i64,
}

/// The index of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    entries: Vec<Entry>,
    /// The offset after the last batch.
    pub(super) next_offset: i64,
    /// The newest timestamp of the segment, -1 when there is none.
    pub(super) max_timestamp_ms: i64,
    /// When the broker wrote the first batch (its own clock), -1 when there is none.
    pub(super) first_append_ms: i64,
}

impl Index {
    pub(super) fn new(base_offset: i64) -> Self {
        Self {
            entries: Vec::new(),
            next_offset: base_offset,
            max_timestamp_ms: -1,
            first_append_ms: -1,
        }
    }

    /// Notes a batch that was written at `position`.
    pub(super) fn add(&mut self, header: &Header, position: u64) {
        let due = match self.entries.last() {
            Some(last) => position >= last.position + INDEX_INTERVAL_BYTES,
            None => true,
        };
        if due {
            self.entries.push(Entry {
                offset: header.base_offset,
                position,
                max_timestamp_before_ms: self.max_timestamp_ms,
            });
        }
        self.max_timestamp_ms = self.max_timestamp_ms.max(header.max_timestamp_ms);
        self.next_offset = header.next_offset();
    }

    /// A position at or before the batch that holds `offset`.
    pub(super) fn position_of(&self, offset: i64) -> u64 {
        let after = self.entries.partition_point(|entry| entry.offset <= offset);
        after.checked_sub(1).map_or(0, |at| self.entries[at].position)
    }

    /// An offset at or after that of the batch at `position`.
    pub(super) fn offset_at(&self, position: u64) -> i64 {
        let at = self.entries.partition_point(|entry| entry.position < position);
        self.entries.get(at).map_or(self.next_offset, |entry| entry.offset)
    }

    /// A position at or before the first batch with a timestamp of at least `timestamp_ms`.
    pub(super) fn position_of_timestamp(&self, timestamp_ms: i64) -> u64 {
        let after =
            self.entries.partition_point(|entry| entry.max_timestamp_before_ms < timestamp_ms);
        after.checked_sub(1).map_or(0, |at| self.entries[at].position)
    }

    /// Writes the index of a segment of `size_bytes`, whole or not at all.
    pub(super) fn save(&self, path: &Path, size_bytes: u64) -> io::Result<()> {
        let mut out = BytesMut::with_capacity(FIXED_BYTES + self.entries.len() * ENTRY_BYTES + 4);
        out.put_u32(VERSION);
        out.put_u64(size_bytes);
        out.put_i64(self.next_offset);
        out.put_i64(self.max_timestamp_ms);
        out.put_i64(self.first_append_ms);
        for entry in &self.entries {
            out.put_i64(entry.offset);
            out.put_u64(entry.position);
            out.put_i64(entry.max_timestamp_before_ms);
        }
        files::write_checked(path, &out)
    }

    /// Reads an index file; `None` when it is missing, damaged or of a segment of another size.
    pub(super) fn load(path: &Path, base_offset: i64, size_bytes: u64) -> Option<Self> {
        let bytes = files::read_checked(path)?;
        let mut at = &bytes[..];
        let whole = bytes.len() >= FIXED_BYTES
            && (bytes.len() - FIXED_BYTES).is_multiple_of(ENTRY_BYTES)
            && at.get_u32() == VERSION
            && at.get_u64() == size_bytes;
        if !whole {
            return None;
        }
        let mut index = Self {
            entries: Vec::with_capacity((bytes.len() - FIXED_BYTES) / ENTRY_BYTES),
            next_offset: at.get_i64(),
            max_timestamp_ms: at.get_i64(),
            first_append_ms: at.get_i64(),
        };
        while at.has_remaining() {
            index.entries.push(Entry {
                offset: at.get_i64(),
                position: at.get_u64(),
                max_timestamp_before_ms: at.get_i64(),
            });
        }
        (index.next_offset >= base_offset).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::batch::Batch;
    use crate::log::testing::values;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// A look-up never passes what it looks for, and is no more than an interval before it.
        #[test]
        fn leads_to_just_before_what_is_looked_for(
            batches in prop::collection::vec((1..60_000_usize, 1..5_i32, 0..40_i64), 1..60),
        ) {
            let one = Batch::split(&mut values(&["x"])).unwrap().header;
            let mut index = Index::new(10);
            let mut added: Vec<(Header, u64)> = Vec::new();
            let (mut offset, mut position) = (10, 0);
            for (size_bytes, records_count, max_timestamp_ms) in batches {
                let last_offset_delta = records_count - 1;
                let header = Header {
                    base_offset: offset,
                    size_bytes,
                    last_offset_delta,
                    max_timestamp_ms,
                    ..one
                };
                index.add(&header, position);
                added.push((header, position));
                offset = header.next_offset();
                position += size_bytes as u64;
            }
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("index");
            index.save(&path, position).unwrap();
            prop_assert_eq!(Index::load(&path, 10, position + 1), None);
            let index = Index::load(&path, 10, position).unwrap();
            prop_assert_eq!(index.next_offset, offset);
            let largest = added.iter().map(|(header, _)| header.size_bytes as u64).max().unwrap();
            let near = INDEX_INTERVAL_BYTES + largest;
            for wanted in 10..offset {
                let (_, at) = added.iter().find(|(it, _)| it.last_offset() >= wanted).unwrap();
                let found = index.position_of(wanted);
                prop_assert!(found <= *at && *at < found + near, "{} for {}", found, at);
            }
            for wanted in 0..=index.max_timestamp_ms {
                let (_, at) = added.iter().find(|(it, _)| it.max_timestamp_ms >= wanted).unwrap();
                let found = index.position_of_timestamp(wanted);
                prop_assert!(found <= *at && *at < found + near, "{} for {}", found, at);
            }
            for (header, at) in &added {
                prop_assert!(index.offset_at(*at) >= header.base_offset);
            }
        }
    }
}
