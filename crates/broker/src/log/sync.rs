//! Bringing a log to the disk: what to flush, and noting that it was.

use super::segment::Segment;
use super::{Life, Log, files, snapshot};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What a flush has to do, taken under the lock and done outside of it.
pub(crate) struct FlushPlan {
    dir: PathBuf,
    /// Base offset, file and size of every segment with bytes that may not be on the disk.
    files: Vec<(i64, Arc<File>, u64)>,
    end_offset: i64,
    /// A segment was made since the last flush.
    new_file: bool,
}

impl FlushPlan {
    /// Waits for the disk.
    pub(crate) fn run(&self) -> io::Result<()> {
        for (_, file, _) in &self.files {
            file.sync_data()?;
        }
        if self.new_file { files::sync_dir(&self.dir) } else { Ok(()) }
    }
}

impl Log {
    /// What a flush has to do now; `None` when everything is on the disk. An error once a flush has
    /// failed: the system may have dropped the data, and the next flush would not say so.
    pub(crate) fn plan_flush(&self) -> io::Result<Option<FlushPlan>> {
        self.check_disk()?;
        if self.life == Life::Closed {
            return Ok(None);
        }
        let files: Vec<_> = self
            .segments
            .iter()
            .filter(|it| it.synced_bytes < it.size_bytes)
            .map(|it| (it.base_offset, Arc::clone(&it.file), it.size_bytes))
            .collect();
        let due = !files.is_empty() || self.high_watermark < self.end_offset();
        let unsynced = |it: &Segment| it.synced_bytes == 0 && it.size_bytes > 0;
        Ok(due.then(|| FlushPlan {
            dir: self.dir.clone(),
            files,
            end_offset: self.end_offset(),
            new_file: self.segments.iter().any(unsynced),
        }))
    }

    /// Notes that a flush was done.
    pub(crate) fn flushed(&mut self, plan: &FlushPlan) -> io::Result<()> {
        for (base_offset, _, size_bytes) in &plan.files {
            if let Some(it) = self.segments.iter_mut().find(|it| it.base_offset == *base_offset) {
                it.synced_bytes = it.synced_bytes.max(*size_bytes);
            }
        }
        self.high_watermark = self.high_watermark.max(plan.end_offset);
        let sealed = self.segments.len() - 1;
        self.save_indexes(sealed)
    }

    /// Writes the index files of the first `count` segments where they are missing.
    pub(super) fn save_indexes(&mut self, count: usize) -> io::Result<()> {
        for segment in &mut self.segments[..count] {
            if segment.synced_bytes < segment.size_bytes {
                break;
            }
            if !segment.index_saved {
                let path = files::path(&self.dir, segment.base_offset, files::INDEX);
                segment.index.save(&path, segment.size_bytes)?;
                segment.index_saved = true;
            }
        }
        Ok(())
    }

    /// Nothing more is written after a failed flush: what the disk holds is unknown.
    pub(crate) fn flush_failed(&mut self) {
        self.broken = true;
    }

    /// Begins a clean stop: what is flushed next is all there will be.
    pub(crate) fn refuse_appends(&mut self) {
        if self.life == Life::Open {
            self.life = Life::Closing;
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.life != Life::Open
    }

    /// The last act of a clean stop: after a flush the next open then reads no batch at all.
    pub(crate) fn seal(&mut self, flushed: bool) -> io::Result<()> {
        let closed = std::mem::replace(&mut self.life, Life::Closed) == Life::Closed;
        if closed || !flushed {
            return Ok(());
        }
        self.mend_tail()?;
        snapshot::save(&self.dir, self.end_offset(), &snapshot::encode(&self.producers))?;
        self.save_indexes(self.segments.len())?;
        files::sync_dir(&self.dir)
    }
}
