//! Writing the cleaned files of a compaction pass: which batches stay, and with which records.

use super::aborted::AbortedByProducer;
use super::batch::{Batch, Header};
use super::index::Index;
use super::keys::NewestOfKeys;
use super::record::{Record, Records, assemble};
use super::segment::{Scan, Segment};
use super::{codec, files};
use bytes::{Bytes, BytesMut};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// A cleaned file, complete and on the disk.
#[derive(Debug)]
pub(super) struct Cleaned {
    pub(super) segment: Segment,
    /// The segments it was made from, ascending; the first has its name.
    pub(super) replaces: Vec<i64>,
}

/// A cleaned file that is being written.
#[derive(Debug)]
pub(super) struct Current {
    base_offset: i64,
    file: BufWriter<File>,
    size_bytes: u64,
    index: Index,
    replaces: Vec<i64>,
}

/// Writes one cleaned file after the other.
#[derive(Debug)]
pub(super) struct Rewriter {
    pub(super) newest: NewestOfKeys,
    pub(super) aborted: AbortedByProducer,
    /// Records before it are deleted.
    pub(super) start_offset: i64,
    /// `newest` knows the log up to here; what comes later is copied.
    pub(super) covered_before: i64,
    /// Tombstones and markers before it go.
    pub(super) expired_before: i64,
    /// The last offset of all that is rewritten. Its batch stays, if need be without records, so that a reader
    /// that has read everything gets to the end of the log.
    pub(super) last_offset: i64,
    pub(super) dir: PathBuf,
    pub(super) segment_bytes: u64,
    pub(super) done: Vec<Cleaned>,
    pub(super) current: Option<Current>,
}

/// The records of a batch whose checksum holds and that can be decompressed. Others stay as they are:
/// a new checksum would hide the damage.
pub(super) fn readable(batch: &Batch) -> Option<Records> {
    batch.check_crc().and_then(|()| Records::of(batch)).ok()
}

impl Rewriter {
    /// Rewrites one source segment.
    pub(super) fn source(
        &mut self,
        base_offset: i64,
        size_bytes: u64,
        mut scan: Scan,
    ) -> io::Result<()> {
        let full =
            |it: &Current| it.size_bytes > 0 && it.size_bytes + size_bytes > self.segment_bytes;
        if self.current.as_ref().is_some_and(full) {
            self.close_current()?;
        }
        match &mut self.current {
            Some(current) => current.replaces.push(base_offset),
            None => self.current = Some(self.create(base_offset)?),
        }
        while let Some(batch) = scan.next()? {
            let Some(kept) = self.keep(&batch)? else { continue };
            let header = Header::read(&kept).map_err(io::Error::other)?;
            if let Some(current) = &mut self.current {
                current.file.write_all(&kept)?;
                current.index.add(&header, current.size_bytes);
                if current.index.first_append_ms < 0 {
                    current.index.first_append_ms = header.max_timestamp_ms;
                }
                current.size_bytes += kept.len() as u64;
            }
        }
        Ok(())
    }

    /// Completes the last file.
    pub(super) fn finish(mut self) -> io::Result<Vec<Cleaned>> {
        self.close_current()?;
        Ok(self.done)
    }

    fn create(&self, base_offset: i64) -> io::Result<Current> {
        let path = files::path(&self.dir, base_offset, files::CLEANED);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Current {
            base_offset,
            file: BufWriter::with_capacity(crate::limits::SCAN_CHUNK_BYTES, file),
            size_bytes: 0,
            index: Index::new(base_offset),
            replaces: vec![base_offset],
        })
    }

    fn close_current(&mut self) -> io::Result<()> {
        let Some(current) = self.current.take() else { return Ok(()) };
        let file = current.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_data()?;
        let segment = Segment {
            base_offset: current.base_offset,
            file: Arc::new(file),
            size_bytes: current.size_bytes,
            index: current.index,
            synced_bytes: current.size_bytes,
            index_saved: false,
        };
        self.done.push(Cleaned { segment, replaces: current.replaces });
        Ok(())
    }

    /// What of a batch stays, as it is stored from now on.
    fn keep(&self, batch: &Batch) -> io::Result<Option<Bytes>> {
        let header = &batch.header;
        let is_last = header.last_offset() == self.last_offset;
        if header.base_offset >= self.covered_before {
            return Ok(Some(batch.bytes.clone()));
        }
        if header.is_control() {
            let stays = is_last || header.last_offset() >= self.expired_before;
            return Ok(stays.then(|| batch.bytes.clone()));
        }
        if self.aborted.contains(header) {
            return Ok(is_last.then(|| without_records(header)));
        }
        let Some(records) = readable(batch) else { return Ok(Some(batch.bytes.clone())) };
        let mut kept = BytesMut::new();
        let mut kept_count = 0;
        let mut max_timestamp_ms = -1;
        for record in records.iter() {
            let Ok(record) = record else { return Ok(Some(batch.bytes.clone())) };
            if self.keeps(&record) {
                kept.extend_from_slice(record.raw);
                kept_count += 1;
                max_timestamp_ms = max_timestamp_ms.max(record.timestamp_ms);
            }
        }
        // First, so that a batch which was the last of an earlier pass goes too.
        if kept_count == 0 {
            return Ok(is_last.then(|| without_records(header)));
        }
        if kept_count == header.records_count {
            return Ok(Some(batch.bytes.clone()));
        }
        let body = codec::compress(header.codec(), &kept)?;
        let header = Header { records_count: kept_count, max_timestamp_ms, ..*header };
        Ok(Some(assemble(&header, &body)))
    }

    fn keeps(&self, record: &Record<'_>) -> bool {
        let Some(key) = record.key else { return false };
        let expired = record.value.is_none() && record.offset < self.expired_before;
        !expired && record.offset >= self.start_offset && self.newest.is_newest(key, record.offset)
    }
}

/// A batch that only holds its offsets, as Kafka's own compaction leaves them.
fn without_records(header: &Header) -> Bytes {
    let attributes = header.attributes & !super::batch::COMPRESSION_MASK;
    assemble(&Header { records_count: 0, max_timestamp_ms: -1, attributes, ..*header }, &[])
}
