//! Appending: what to write is decided under the lock, written outside of it, and noted under it again.
//! A slow disk then holds up those who append here, and none of those who read.
//!
//! ```text
//!  [lock: check producers, plan] ──► cut off a torn tail, roll, write ──► [lock: note]
//! ```
//!
//! One append at a time, which is the caller's to see to: so what was planned still holds when it is
//! noted.

use super::batch::{Batch, HEADER_BYTES, Header};
use super::record::{Marker, control_batch};
use super::segment::{Segment, Tail};
use super::{AppendError, Appended, Fsync, Log, snapshot};
use bytes::BytesMut;
use std::io;
use std::path::PathBuf;

/// What an append of a client's batches has to do.
#[derive(Debug)]
pub(crate) enum Planned {
    /// Nothing: this is what the batch was given the first time.
    Duplicate(Appended),
    Write(Write),
}

/// The file work of an append, needs no lock.
#[derive(Debug)]
pub(crate) struct Write {
    tail: Tail,
    /// The file may be longer than its `size_bytes`.
    tail_torn: bool,
    roll: Option<Roll>,
    batches: Vec<Stored>,
    /// How a transaction ends by this write.
    marker: Option<Marker>,
    now_ms: i64,
    appended: Appended,
}

/// A batch as it is stored.
#[derive(Debug)]
struct Stored {
    header: Header,
    head: [u8; HEADER_BYTES],
    batch: Batch,
}

/// A new segment, and the snapshot of the producers at its start.
#[derive(Debug)]
struct Roll {
    dir: PathBuf,
    base_offset: i64,
    snapshot: BytesMut,
}

/// What came of a write.
#[derive(Debug)]
pub(crate) struct Written {
    segment: Option<Segment>,
    tail_torn: bool,
    outcome: io::Result<()>,
}

impl Log {
    /// Plans the append of batches that `validate` has passed, all or none.
    pub(crate) fn plan_append(
        &mut self,
        batches: Vec<Batch>,
        now_ms: i64,
    ) -> Result<Planned, AppendError> {
        self.check_writable()?;
        if let [batch] = &batches[..]
            && batch.header.has_producer()
            && let Some(duplicate) = self.producers.check(&batch.header)?
        {
            return Ok(Planned::Duplicate(Appended {
                base_offset: duplicate.base_offset,
                log_append_time_ms: duplicate.log_append_time_ms,
                log_start_offset: self.start_offset,
            }));
        }
        let append_time_ms = self.config.log_append_time.then_some(now_ms);
        Ok(Planned::Write(self.plan_write(batches, append_time_ms, now_ms)?))
    }

    /// Plans the end of the producer's transaction; `None` when it has none here.
    pub(crate) fn plan_marker(
        &mut self,
        producer_id: i64,
        producer_epoch: i16,
        marker: Marker,
        now_ms: i64,
    ) -> Result<Option<Write>, AppendError> {
        self.check_writable()?;
        self.producers.check_marker(producer_id, producer_epoch)?;
        if !self.producers.has_open(producer_id) {
            return Ok(None);
        }
        let batch = Batch::split(&mut control_batch(producer_id, producer_epoch, marker, now_ms))?;
        let write = self.plan_write(vec![batch], None, now_ms)?;
        Ok(Some(Write { marker: Some(marker), ..write }))
    }

    /// Plans a new segment, unless the active one is empty.
    pub(crate) fn plan_roll(&mut self, now_ms: i64) -> io::Result<Option<Write>> {
        if self.active().size_bytes == 0 {
            return Ok(None);
        }
        let write = self.plan_write(Vec::new(), None, now_ms)?;
        Ok(Some(Write { roll: Some(self.roll()), ..write }))
    }

    fn plan_write(
        &mut self,
        batches: Vec<Batch>,
        append_time_ms: Option<i64>,
        now_ms: i64,
    ) -> io::Result<Write> {
        self.check_disk()?;
        let size_bytes: usize = batches.iter().map(|it| it.bytes.len()).sum();
        let active = self.active();
        let is_full = active.size_bytes > 0
            && active.size_bytes + size_bytes as u64 > self.config.segment_bytes;
        let base_offset = self.end_offset();
        let mut offset = base_offset;
        let mut stored = Vec::with_capacity(batches.len());
        for batch in batches {
            let head = batch.stored_header(offset, append_time_ms);
            let header = Header::read(&head).map_err(io::Error::other)?;
            offset = header.next_offset();
            stored.push(Stored { header, head, batch });
        }
        Ok(Write {
            tail: self.active().tail(),
            // Until the write is noted, how long the file is is not known.
            tail_torn: std::mem::replace(&mut self.tail_torn, true),
            roll: is_full.then(|| self.roll()),
            batches: stored,
            marker: None,
            now_ms,
            appended: Appended {
                base_offset,
                log_append_time_ms: append_time_ms.unwrap_or(-1),
                log_start_offset: self.start_offset,
            },
        })
    }

    fn roll(&self) -> Roll {
        Roll {
            dir: self.dir.clone(),
            base_offset: self.end_offset(),
            snapshot: snapshot::encode(&self.producers),
        }
    }

    /// Notes what was written. After an error the log is as before.
    pub(crate) fn note(&mut self, write: &Write, written: Written) -> io::Result<Appended> {
        self.segments.extend(written.segment);
        self.tail_torn = written.tail_torn;
        written.outcome?;
        for Stored { header, .. } in &write.batches {
            self.active_mut().written(header, write.now_ms);
            match write.marker {
                Some(marker) => self.producers.end(header, marker, write.now_ms),
                None if header.has_producer() => self.producers.note(header, write.now_ms),
                None => {}
            }
        }
        if self.fsync != Fsync::Always {
            self.high_watermark = self.end_offset();
        }
        Ok(write.appended)
    }
}

impl Write {
    /// Does the file work. May wait for the disk.
    pub(crate) fn run(&self) -> Written {
        let mut segment = None;
        let outcome = self.write(&mut segment);
        // Cutting a failed write off at once frees the disk space; when that fails too, the next append
        // tries again first.
        let tail = segment.as_ref().map_or_else(|| self.tail.clone(), Segment::tail);
        let tail_torn = outcome.is_err() && tail.truncate().is_err();
        Written { segment, tail_torn, outcome }
    }

    fn write(&self, segment: &mut Option<Segment>) -> io::Result<()> {
        if self.tail_torn {
            self.tail.truncate()?;
        }
        let tail = match &self.roll {
            Some(roll) => segment.insert(roll.run()?).tail(),
            None => self.tail.clone(),
        };
        self.batches.iter().try_for_each(|it| tail.write(&it.head, it.batch.body()))
    }
}

impl Roll {
    fn run(&self) -> io::Result<Segment> {
        let segment = Segment::create(&self.dir, self.base_offset)?;
        snapshot::save(&self.dir, self.base_offset, &self.snapshot)?;
        Ok(segment)
    }
}
