//! The log of one partition: segments of record batches, and what is known of their producers.
//!
//! ```text
//!  append ──► check producers ──► (roll) ──► write batch ──► index, producers ──► end moves
//!
//!  segments  [0 ─────────][40 ──── sealed ────][97 ── active ──►
//!                 ▲                                   ▲        ▲
//!              log start                     last stable      end
//! ```
//!
//! `Log` is the part behind the partition's lock. Reading files, flushing, retention and compaction
//! take what they need from it and work outside of the lock.
//!
//! Memory changes only after the file did. A write that failed or panicked leaves bytes beyond
//! `size_bytes`, which no reader sees and the next append cuts off.

mod aborted;
pub(crate) mod batch;
mod buffers;
mod cleaner;
mod codec;
mod compaction;
mod config;
mod error;
mod files;
mod index;
mod keys;
mod producers;
pub(crate) mod read;
pub(crate) mod record;
mod recovery;
mod retention;
mod rewrite;
mod segment;
mod snapshot;
mod sync;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use config::{Fsync, LogConfig};
pub(crate) use error::{AppendError, FetchError, LogError};
pub(crate) use producers::ActiveProducer;

use batch::Batch;
use cleaner::Cleaner;
use producers::Producers;
use read::Offsets;
use record::Marker;
use segment::Segment;
use std::io;
use std::path::{Path, PathBuf};

/// What an append was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    /// The offset of the first record; for a duplicate that of the first time.
    pub(crate) base_offset: i64,
    /// The time the broker set, -1 when the producer's timestamps are kept.
    pub(crate) log_append_time_ms: i64,
    /// The first offset that readers may ask for.
    pub(crate) log_start_offset: i64,
}

/// Brings a log start that deleting records has raised to the disk. Needs no lock.
pub(crate) fn save_start(dir: &Path, offset: i64) -> io::Result<()> {
    files::write_durable(&dir.join(files::LOG_START), &offset.to_be_bytes())
}

/// The state of one log.
#[derive(Debug)]
pub(crate) struct Log {
    dir: PathBuf,
    pub(crate) config: LogConfig,
    /// Ascending and never empty; the last is the active one.
    segments: Vec<Segment>,
    start_offset: i64,
    /// What readers see ends here: the end, or the flushed end with `Fsync::Always`.
    high_watermark: i64,
    fsync: Fsync,
    producers: Producers,
    cleaner: Cleaner,
    /// A write is under way or failed: the active file may be longer than its `size_bytes`.
    tail_torn: bool,
    /// A flush failed: what the disk holds is unknown, so nothing more is written (until a restart).
    broken: bool,
    life: Life,
}

/// How far a log is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    /// Nothing is appended any more; a last flush follows.
    Closing,
    /// No file is changed any more.
    Closed,
}

impl Log {
    fn active(&self) -> &Segment {
        self.segments.last().expect("a log has an active segment")
    }

    fn active_mut(&mut self) -> &mut Segment {
        self.segments.last_mut().expect("a log has an active segment")
    }

    /// The offset of the next record.
    pub(crate) fn end_offset(&self) -> i64 {
        self.active().index.next_offset
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|it| it.size_bytes).sum()
    }

    pub(crate) fn offsets(&self) -> Offsets {
        let high_watermark = self.high_watermark;
        let first_open = self.producers.first_open().unwrap_or(high_watermark);
        Offsets {
            log_start: self.start_offset,
            high_watermark,
            // The beginning of an open transaction may have been deleted.
            last_stable: first_open.max(self.start_offset).min(high_watermark),
        }
    }

    /// Appends batches that `check_from_client` has passed, all or none.
    pub(crate) fn append(
        &mut self,
        batches: &[Batch],
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        self.check_writable()?;
        if let [batch] = batches
            && batch.header.has_producer()
            && let Some(duplicate) = self.producers.check(&batch.header)?
        {
            return Ok(Appended {
                base_offset: duplicate.base_offset,
                log_append_time_ms: duplicate.log_append_time_ms,
                log_start_offset: self.start_offset,
            });
        }
        let base_offset = self.end_offset();
        let append_time_ms = self.config.log_append_time.then_some(now_ms);
        let written = self.write(batches, append_time_ms, now_ms)?;
        for header in &written {
            if header.has_producer() {
                self.producers.note(header, now_ms);
            }
        }
        Ok(Appended {
            base_offset,
            log_append_time_ms: append_time_ms.unwrap_or(-1),
            log_start_offset: self.start_offset,
        })
    }

    /// Ends the producer's transaction, when it has one here; says whether it had.
    pub(crate) fn append_marker(
        &mut self,
        producer_id: i64,
        producer_epoch: i16,
        marker: Marker,
        now_ms: i64,
    ) -> Result<bool, AppendError> {
        self.check_writable()?;
        self.producers.check_marker(producer_id, producer_epoch)?;
        if !self.producers.has_open(producer_id) {
            return Ok(false);
        }
        let mut bytes = record::control_batch(producer_id, producer_epoch, marker, now_ms);
        let batch = Batch::split(&mut bytes)?;
        for header in self.write(&[batch], None, now_ms)? {
            self.producers.end(&header, marker, now_ms);
        }
        Ok(true)
    }

    /// Producers with an open transaction, and their epochs.
    pub(crate) fn open_transactions(&self) -> Vec<(i64, i16)> {
        self.producers.with_open()
    }

    /// Producers that the log remembers, by their ids.
    pub(crate) fn active_producers(&self) -> Vec<ActiveProducer> {
        self.producers.active()
    }

    /// Writes batches at the end of the log and returns their headers as stored.
    fn write(
        &mut self,
        batches: &[Batch],
        append_time_ms: Option<i64>,
        now_ms: i64,
    ) -> io::Result<Vec<batch::Header>> {
        self.mend_tail()?;
        let size_bytes: usize = batches.iter().map(|it| it.bytes.len()).sum();
        let active = self.active();
        if active.size_bytes > 0
            && active.size_bytes + size_bytes as u64 > self.config.segment_bytes
        {
            self.roll()?;
        }
        self.tail_torn = true;
        let mut offset = self.end_offset();
        let mut written = Vec::with_capacity(batches.len());
        for batch in batches {
            let head = batch.stored_header(offset, append_time_ms);
            if let Err(error) = self.active().write(&head, batch) {
                // Cutting it off at once frees the disk space; when that fails too, the next append
                // tries again first.
                let _ = self.mend_tail();
                return Err(error);
            }
            let header = batch::Header::read(&head).map_err(io::Error::other)?;
            offset = header.next_offset();
            written.push(header);
        }
        for header in &written {
            self.active_mut().written(header, now_ms);
        }
        self.tail_torn = false;
        if self.fsync != Fsync::Always {
            self.high_watermark = self.end_offset();
        }
        Ok(written)
    }

    /// Also a duplicate is answered only if the first one is safe.
    fn check_writable(&self) -> Result<(), AppendError> {
        self.check_disk()?;
        if self.life == Life::Open { Ok(()) } else { Err(AppendError::Closed) }
    }

    fn check_disk(&self) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other(
                "an earlier flush failed; check the disk and restart the broker",
            ));
        }
        Ok(())
    }

    /// Cuts off what a failed write left.
    fn mend_tail(&mut self) -> io::Result<()> {
        self.check_disk()?;
        if self.tail_torn {
            self.active().truncate_to_size()?;
            self.tail_torn = false;
        }
        Ok(())
    }

    /// Seals the active segment and begins a new one, unless it is empty.
    fn roll(&mut self) -> io::Result<()> {
        if self.active().size_bytes == 0 {
            return Ok(());
        }
        self.mend_tail()?;
        let base_offset = self.end_offset();
        let segment = Segment::create(&self.dir, base_offset)?;
        snapshot::save(&self.dir, base_offset, &self.producers)?;
        self.segments.push(segment);
        Ok(())
    }

    /// Raises the log start, once `save_start` has brought it to the disk.
    pub(crate) fn raise_start(&mut self, offset: i64) {
        self.start_offset = self.start_offset.max(offset);
    }

    /// The directory of its files.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}
