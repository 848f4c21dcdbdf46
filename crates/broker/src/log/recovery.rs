//! Opening a log, after a clean stop or a crash.
//!
//! ```text
//!  remove unfinished files ──► segments ──► producers: newest snapshot, replay what follows
//!                                 │
//!                 valid index: take it as it is
//!                 none: read it, check every batch, cut it at the first bad one
//! ```
//!
//! A flush writes index files oldest segment first. So after a power loss a segment without one is
//! followed by none that has one, and whatever follows a cut is cut too. If a later segment does have
//! one, the damage is of another kind, and the later segment's records stay.

use super::batch::BatchError;
use super::cleaner::Cleaner;
use super::producers::Producers;
use super::segment::{self, Segment};
use super::{Fsync, Log, LogConfig, LogError, files, snapshot};
use crate::time::now_ms;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

impl Log {
    /// Opens or creates the log in a directory.
    pub(crate) fn open(dir: PathBuf, config: LogConfig, fsync: Fsync) -> Result<Self, LogError> {
        Self::recover(&dir, config, fsync).map_err(|cause| LogError { dir, cause })
    }

    fn recover(dir: &Path, config: LogConfig, fsync: Fsync) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        remove_unfinished(dir)?;
        let mut start_offset = read_log_start(dir);
        let mut segments = open_segments(dir)?;
        if segments.last().is_none_or(|last| last.index.next_offset < start_offset) {
            // All records were deleted, or those above the start were lost: offsets must not fall back.
            for segment in segments.drain(..) {
                segment.remove(dir)?;
            }
            segments.push(Segment::create(dir, start_offset)?);
        }
        start_offset = start_offset.max(segments[0].base_offset);
        let mut log = Self {
            dir: dir.to_owned(),
            config,
            high_watermark: 0,
            segments,
            start_offset,
            fsync,
            producers: Producers::default(),
            cleaner: Cleaner::load(dir),
            tail_torn: true,
            broken: false,
            life: super::Life::Open,
        };
        // The active file is longer than its batches after a crash; and its index file ends here.
        files::remove(&files::path(dir, log.active().base_offset, files::INDEX))?;
        let active = log.active_mut();
        active.index_saved = false;
        if active.size_bytes > 0 {
            // When a segment without index began is not known; its records' times may be anything.
            let began_ms = &mut active.index.first_append_ms;
            *began_ms = if *began_ms < 0 { now_ms() } else { now_ms().min(*began_ms) };
        }
        log.mend_tail()?;
        log.high_watermark = log.end_offset();
        log.cleaner.clamp(log.high_watermark);
        log.restore_producers()?;
        Ok(log)
    }

    fn restore_producers(&mut self) -> io::Result<()> {
        let now_ms = now_ms();
        let dropped = self.cleaner.markers_dropped_before;
        let mut from = self.segments[0].base_offset;
        if let Some((offset, producers)) = snapshot::load(&self.dir, self.end_offset())? {
            self.producers = producers;
            from = offset;
        }
        for segment in &self.segments {
            if segment.index.next_offset <= from {
                continue;
            }
            let mut scan = segment.scan_from_position(segment.index.position_of(from));
            while let Some(batch) = scan.next()? {
                if batch.header.base_offset >= from {
                    self.producers.replay(&batch, dropped, now_ms);
                }
            }
        }
        self.producers.aborted.forget_before(dropped.max(self.start_offset));
        self.producers.expire(now_ms);
        Ok(())
    }
}

fn remove_unfinished(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == files::TEMPORARY || it == files::CLEANED) {
            files::remove(&path)?;
        }
    }
    Ok(())
}

fn read_log_start(dir: &Path) -> i64 {
    let bytes = files::read_checked(&dir.join(files::LOG_START));
    bytes.and_then(|it| it.try_into().ok()).map_or(0, i64::from_be_bytes)
}

fn open_segments(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut segments: Vec<Segment> = Vec::new();
    let bases = files::offsets(dir, files::SEGMENT)?;
    let mut cut = false;
    for &base_offset in &bases {
        let covered = segments.last().is_some_and(|it| base_offset < it.index.next_offset);
        if let Some(segment) = Segment::open_indexed(dir, base_offset)?.filter(|_| !covered) {
            cut = false;
            segments.push(segment);
        } else if covered || cut {
            // The rest of an interrupted compaction, or what followed a cut.
            tracing::warn!(dir = %dir.display(), base_offset, covered, "removing a segment");
            segment::remove_files(dir, base_offset)?;
        } else {
            let (segment, wrong) = Segment::open_checked(dir, base_offset)?;
            if let Some(error) = wrong {
                report_cut(dir, &segment, &error);
                segment.tail().truncate()?;
                cut = true;
            }
            segments.push(segment);
        }
    }
    Ok(segments)
}

fn report_cut(dir: &Path, segment: &Segment, error: &BatchError) {
    tracing::warn!(
        dir = %dir.display(),
        segment = segment.base_offset,
        next_offset = segment.index.next_offset,
        size_bytes = segment.size_bytes,
        %error,
        "the log was cut after its last whole batch"
    );
}
