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
//! `Log` is the part behind the partition's lock. Whatever reads, writes, flushes or removes files
//! takes what it needs from it and works outside of the lock.
//!
//! Memory changes only after the file did. A write that failed or panicked leaves bytes beyond
//! `size_bytes`, which no reader sees and the next append cuts off.

mod aborted;
mod append;
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
pub(crate) mod validate;

pub(crate) use append::{Planned, Write};
pub(crate) use config::{Fsync, LogConfig};
pub(crate) use error::{AppendError, FetchError, LogError, RecordError};
pub(crate) use producers::ActiveProducer;

use cleaner::Cleaner;
use producers::Producers;
use read::Offsets;
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

    /// Producers with an open transaction, and their epochs.
    pub(crate) fn open_transactions(&self) -> Vec<(i64, i16)> {
        self.producers.with_open()
    }

    /// Producers that the log remembers, by their ids.
    pub(crate) fn active_producers(&self) -> Vec<ActiveProducer> {
        self.producers.active()
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
            self.active().tail().truncate()?;
            self.tail_torn = false;
        }
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
