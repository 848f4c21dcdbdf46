//! Reading a log: whole batches from an offset on, and offsets by time.
//!
//! What to read is located under the lock; the file is read outside of it.

use super::aborted::Aborted;
use super::batch::{BatchError, HEADER_BYTES, Header};
use super::record::Records;
use super::segment::{Scan, Segment, read_at};
use super::{FetchError, Log};
use crate::limits::INDEX_INTERVAL_BYTES;
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// The offsets that readers go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offsets {
    /// The first that may be read.
    pub(crate) log_start: i64,
    /// The one after the last that may be read.
    pub(crate) high_watermark: i64,
    /// The one after the last that readers of committed data may read.
    pub(crate) last_stable: i64,
}

/// Which records a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// All.
    ReadUncommitted,
    /// Those before the first open transaction; the reader skips aborted ones.
    ReadCommitted,
}

/// A transaction whose records the reader of a fetch must skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AbortedTransaction {
    /// Whose.
    pub(crate) producer_id: i64,
    /// From here until its abort marker.
    pub(crate) first_offset: i64,
}

/// The answer to a fetch.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Whole batches as stored, from the one that holds the offset on. The first may exceed the
    /// asked size, so that a reader always gets on.
    pub(crate) records: Bytes,
    /// As they were when the records were located.
    pub(crate) offsets: Offsets,
    /// Empty for readers of uncommitted data.
    pub(crate) aborted: Vec<AbortedTransaction>,
}

/// What a fetch found out under the lock.
pub(crate) struct Plan {
    /// Where to read, unless there is nothing to read yet.
    file: Option<(Arc<File>, Range<u64>)>,
    offset: i64,
    until: i64,
    max_bytes: usize,
    offsets: Offsets,
    aborted: Vec<AbortedTransaction>,
}

impl Log {
    /// The segments that hold `offset` or what follows it.
    fn segments_from(&self, offset: i64) -> &[Segment] {
        let after = self.segments.partition_point(|it| it.base_offset <= offset);
        let from = after.saturating_sub(1);
        // Compaction can leave a segment that ends before the next begins.
        let skip = self.segments[from..].iter().take_while(|it| it.index.next_offset <= offset);
        &self.segments[from + skip.count()..]
    }

    /// Locates a fetch.
    pub(crate) fn plan_fetch(
        &self,
        offset: i64,
        max_bytes: usize,
        isolation: Isolation,
    ) -> Result<Plan, FetchError> {
        let offsets = self.offsets();
        if offset < offsets.log_start || offset > self.end_offset() {
            return Err(FetchError::OutOfRange(offsets));
        }
        let until = match isolation {
            Isolation::ReadUncommitted => offsets.high_watermark,
            Isolation::ReadCommitted => offsets.last_stable,
        };
        let mut plan = Plan { file: None, offset, until, max_bytes, offsets, aborted: Vec::new() };
        if offset < until
            && let Some(segment) = self.segments_from(offset).first()
        {
            let position = segment.index.position_of(offset);
            plan.file = Some((Arc::clone(&segment.file), position..segment.size_bytes));
            if isolation == Isolation::ReadCommitted {
                // Taken now, since retention may forget them while the file is read; so up to where
                // the answer can reach at most.
                let reach = position + max_bytes as u64 + 2 * INDEX_INTERVAL_BYTES;
                let until = until.min(segment.index.offset_at(reach));
                plan.aborted = self.aborted_between(offset, until);
            }
        }
        Ok(plan)
    }

    fn aborted_between(&self, from: i64, until: i64) -> Vec<AbortedTransaction> {
        let visible = |it: Aborted| AbortedTransaction {
            producer_id: it.producer_id,
            first_offset: it.first_offset,
        };
        self.producers.aborted.between(from, until).into_iter().map(visible).collect()
    }

    /// Scans for the first record at or after a time: one per segment that can hold it.
    pub(crate) fn plan_timestamp(&self, timestamp_ms: i64) -> TimestampPlan {
        let scans = self
            .segments_from(self.start_offset)
            .iter()
            .filter(|it| it.index.max_timestamp_ms >= timestamp_ms)
            .map(|it| it.scan_from_position(it.index.position_of_timestamp(timestamp_ms)))
            .collect();
        TimestampPlan { scans, timestamp_ms, from: self.start_offset, until: self.high_watermark }
    }

    /// The newest timestamp of all segments.
    pub(crate) fn max_timestamp_ms(&self) -> Option<i64> {
        let newest = self.segments.iter().map(|it| it.index.max_timestamp_ms).max();
        newest.filter(|&timestamp_ms| timestamp_ms >= 0)
    }
}

impl Plan {
    /// Reads what was located. Needs no lock.
    pub(crate) fn read(self) -> io::Result<Fetched> {
        let Self { offset, until, max_bytes, offsets, aborted, .. } = self;
        let records = match self.file {
            Some((file, part)) => read_batches(&file, part, offset..until, max_bytes)?,
            None => Bytes::new(),
        };
        Ok(Fetched { records, offsets, aborted })
    }
}

/// Whole batches that hold `offsets`, from a part of a file that begins at or before them.
fn read_batches(
    file: &File,
    part: Range<u64>,
    offsets: Range<i64>,
    max_bytes: usize,
) -> io::Result<Bytes> {
    let mut position = part.start;
    let mut length = max_bytes.saturating_add(INDEX_INTERVAL_BYTES as usize);
    while position < part.end {
        let wanted = (length as u64).min(part.end - position) as usize;
        let bytes = read_at(file, position, wanted)?;
        let skip = skip_before(&bytes, offsets.start).map_err(invalid)?;
        position += skip as u64;
        let Some(rest) = bytes.get(skip..).filter(|rest| rest.len() >= HEADER_BYTES) else {
            if skip == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            continue;
        };
        let first = Header::read(rest).map_err(invalid)?;
        if first.size_bytes > rest.len() {
            if skip == 0 && wanted >= first.size_bytes {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            length = length.max(first.size_bytes);
            continue;
        }
        let whole = whole_batches(rest, offsets.end, max_bytes).map_err(invalid)?;
        return Ok(bytes.slice(skip..skip + whole));
    }
    Ok(Bytes::new())
}

fn invalid(error: BatchError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Bytes to skip to the batch that holds `offset`; that can be more than there are.
fn skip_before(bytes: &[u8], offset: i64) -> Result<usize, BatchError> {
    let mut skip = 0;
    while let Some(rest) = bytes.get(skip..)
        && rest.len() >= HEADER_BYTES
    {
        let header = Header::read(rest)?;
        if header.last_offset() >= offset {
            break;
        }
        skip += header.size_bytes;
    }
    Ok(skip)
}

/// The length of all whole batches before `until`, at most `max_bytes` but at least one batch.
fn whole_batches(bytes: &[u8], until: i64, max_bytes: usize) -> Result<usize, BatchError> {
    let mut taken = 0;
    while bytes.len() - taken >= HEADER_BYTES {
        let header = Header::read(&bytes[taken..])?;
        let end = taken + header.size_bytes;
        let fits = end <= bytes.len() && (end <= max_bytes || taken == 0);
        if !fits || header.base_offset >= until {
            break;
        }
        taken = end;
    }
    Ok(taken)
}

/// Where to look for a time.
pub(crate) struct TimestampPlan {
    scans: Vec<Scan>,
    timestamp_ms: i64,
    from: i64,
    until: i64,
}

impl TimestampPlan {
    /// The offset and time of the first record at or after the time. Needs no lock.
    pub(crate) fn read(self) -> io::Result<Option<(i64, i64)>> {
        let Self { scans, timestamp_ms, from, until } = self;
        for mut scan in scans {
            while let Some(batch) = scan.next()? {
                let header = &batch.header;
                if header.base_offset >= until {
                    return Ok(None);
                }
                let candidate = header.max_timestamp_ms >= timestamp_ms
                    && header.last_offset() >= from
                    && !header.is_control();
                if !candidate {
                    continue;
                }
                // What the disk has damaged cannot be read; the batch as a whole then stands for its
                // records.
                let whole = Some((header.base_offset.max(from), header.max_timestamp_ms));
                let Ok(records) = Records::of(&batch) else { return Ok(whole) };
                for record in records.iter() {
                    let Ok(record) = record else { return Ok(whole) };
                    if record.timestamp_ms >= timestamp_ms && record.offset >= from {
                        return Ok(Some((record.offset, record.timestamp_ms)));
                    }
                }
            }
        }
        Ok(None)
    }
}
