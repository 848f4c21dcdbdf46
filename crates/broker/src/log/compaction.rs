//! Compaction: of each key the newest record stays.
//!
//! ```text
//!        clean                     dirty                    not compacted
//!  ├───────────────────────┼──────────────────────────┼────────────────────►
//!  0                  clean_before                  until   open transactions, active segment
//!
//!  1. read the dirty part: newest offset of each key (as far as memory allows)
//!  2. rewrite everything before it to <base>.cleaned, small neighbours into one file
//!  3. under the lock rename it over <base>.log; then remove the files that were merged into it
//! ```
//!
//! A crash before the rename leaves a file that is removed on open. One after it leaves merged files,
//! which open removes where they overlap; where they do not they hold only what is superseded, and
//! the next pass drops it again. They are removed in ascending order, so that a tombstone never goes
//! before the value it deletes.
//!
//! Offsets never change. Records of aborted transactions go. Tombstones and transaction markers go once
//! they have been in the clean part for `delete_retention_ms`, for slow readers to see.

use super::aborted::AbortedList;
use super::cleaner::Cleaner;
use super::keys::NewestOfKeys;
use super::rewrite::{Cleaned, Rewriter};
use super::segment::{Scan, Segment};
use super::{Log, files};
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A sealed segment to compact.
#[derive(Debug)]
struct Source {
    base_offset: i64,
    next_offset: i64,
    file: Arc<File>,
    size_bytes: u64,
}

impl Source {
    fn scan(&self) -> Scan {
        Scan::new(Arc::clone(&self.file), 0, self.size_bytes)
    }
}

/// One pass, taken under the lock and run outside of it.
#[derive(Debug)]
pub(crate) struct CompactionPlan {
    dir: PathBuf,
    sources: Vec<Source>,
    cleaner: Cleaner,
    aborted: AbortedList,
    start_offset: i64,
    segment_bytes: u64,
    expired_before: i64,
    now_ms: i64,
}

/// What a pass has written, to be put in place under the lock.
#[derive(Debug)]
pub(crate) struct Compacted {
    dir: PathBuf,
    cleaned: Vec<Cleaned>,
    cleaner: Cleaner,
    expired_before: i64,
    /// Kept until the lock is gone: dropping the last handle of a removed file frees its space, which
    /// can take long.
    replaced: Vec<Segment>,
    /// Memory did not suffice for all keys: another pass must follow.
    pub(crate) partial: bool,
}

impl Log {
    /// What compaction has to do now, if anything. `again`: a partial pass went before, so the dirty
    /// ratio was already high enough.
    pub(crate) fn plan_compaction(&self, now_ms: i64, again: bool) -> Option<CompactionPlan> {
        if !self.config.compact {
            return None;
        }
        let sources = self.compactable(now_ms);
        let clean_before = self.cleaner.clean_before;
        let total_bytes: u64 = sources.iter().map(|it| it.size_bytes).sum();
        let dirty = sources.iter().filter(|it| it.index.next_offset > clean_before);
        let dirty_bytes: u64 = dirty.map(|it| it.size_bytes).sum();
        let ratio = dirty_bytes as f64 / total_bytes.max(1) as f64;
        if dirty_bytes == 0 || (ratio < self.config.min_cleanable_dirty_ratio && !again) {
            return None;
        }
        let source = |it: &Segment| Source {
            base_offset: it.base_offset,
            next_offset: it.index.next_offset,
            file: Arc::clone(&it.file),
            size_bytes: it.size_bytes,
        };
        Some(CompactionPlan {
            dir: self.dir.clone(),
            sources: sources.iter().map(source).collect(),
            cleaner: self.cleaner.clone(),
            aborted: self.producers.aborted.clone(),
            start_offset: self.start_offset,
            segment_bytes: self.config.segment_bytes,
            expired_before: self
                .cleaner
                .tombstones_expired_before(now_ms, self.config.delete_retention_ms),
            now_ms,
        })
    }

    /// The sealed segments that are on the disk, before the last stable offset and old enough.
    fn compactable(&self, now_ms: i64) -> &[Segment] {
        let last_stable = self.offsets().last_stable;
        let lag_ms = self.config.min_compaction_lag_ms;
        let newest_ms = now_ms.saturating_sub(lag_ms);
        let eligible = |pair: &&[Segment]| {
            pair[0].index_saved
                && pair[1].base_offset <= last_stable
                && (lag_ms == 0 || pair[0].index.max_timestamp_ms <= newest_ms)
        };
        let count = self.segments.windows(2).take_while(eligible).count();
        &self.segments[..count]
    }

    /// Puts the files of a pass in place of those they were made from; `finish` must follow.
    pub(crate) fn install(&mut self, compacted: &mut Compacted) -> io::Result<()> {
        self.producers.aborted.forget_before(compacted.expired_before);
        for cleaned in &compacted.cleaned {
            let base_offset = cleaned.segment.base_offset;
            let replaced = &cleaned.replaces;
            let from = self.segments.partition_point(|it| it.base_offset < base_offset);
            let until = from + replaced.len();
            let same = self
                .segments
                .get(from..until)
                .is_some_and(|it| it.iter().map(|it| it.base_offset).eq(replaced.iter().copied()));
            if !same {
                return Err(io::Error::other("segments changed while they were compacted"));
            }
            files::remove(&files::path(&self.dir, base_offset, files::INDEX))?;
            fs::rename(
                files::path(&self.dir, base_offset, files::CLEANED),
                files::path(&self.dir, base_offset, files::SEGMENT),
            )?;
            let segment = cleaned.segment.share();
            compacted.replaced.extend(self.segments.splice(from..until, [segment]));
        }
        self.cleaner = compacted.cleaner.clone();
        let sealed = self.segments.len() - 1;
        self.save_indexes(sealed)
    }
}

impl CompactionPlan {
    /// Reads, and writes the cleaned files. Nothing of the log changes yet.
    pub(crate) fn run(mut self, keys_most: usize) -> io::Result<Compacted> {
        let (newest, covered) = self.newest_of_keys(keys_most)?;
        let until = self.sources.last().map_or(0, |it| it.next_offset);
        let rewritten = self.sources.partition_point(|it| it.base_offset < covered);
        let last_offset = self.sources[..rewritten].last().map_or(-1, |it| it.next_offset - 1);
        let mut rewriter = Rewriter {
            newest,
            aborted: self.aborted.by_producer(),
            start_offset: self.start_offset,
            covered_before: covered,
            expired_before: self.expired_before,
            last_offset,
            dir: self.dir.clone(),
            segment_bytes: self.segment_bytes,
            done: Vec::new(),
            current: None,
        };
        for source in &self.sources[..rewritten] {
            rewriter.source(source.base_offset, source.size_bytes, source.scan())?;
        }
        let cleaned = rewriter.finish()?;
        // On the disk before a marker is: an aborted transaction without its marker would hide what
        // its producer wrote later.
        self.cleaner.markers_dropped_before =
            self.cleaner.markers_dropped_before.max(self.expired_before);
        self.cleaner.save(&self.dir)?;
        self.cleaner.passed(covered, self.now_ms);
        Ok(Compacted {
            dir: self.dir,
            cleaned,
            cleaner: self.cleaner,
            expired_before: self.expired_before,
            replaced: Vec::new(),
            partial: covered < until,
        })
    }

    /// The newest offset of each key in the dirty part, and how far memory sufficed.
    fn newest_of_keys(&self, keys_most: usize) -> io::Result<(NewestOfKeys, i64)> {
        let clean_before = self.cleaner.clean_before;
        let aborted = self.aborted.by_producer();
        let mut newest = NewestOfKeys::new(keys_most);
        let mut covered = clean_before;
        for source in self.sources.iter().filter(|it| it.next_offset > clean_before) {
            let mut scan = source.scan();
            while let Some(batch) = scan.next()? {
                let header = &batch.header;
                if header.last_offset() < clean_before {
                    continue;
                }
                if !newest.has_room_for(header.records_count as usize) {
                    return Ok((newest, header.base_offset));
                }
                covered = header.next_offset();
                if header.is_control() || aborted.contains(header) {
                    continue;
                }
                let Some(records) = super::rewrite::readable(&batch) else { continue };
                for record in records.iter() {
                    let Ok(record) = record else { break };
                    if let Some(key) = record.key {
                        newest.note(key, record.offset);
                    }
                }
            }
        }
        Ok((newest, covered))
    }
}

impl Compacted {
    /// Makes the renames durable, and removes the files whose records are now in another.
    pub(crate) fn finish(&self) -> io::Result<()> {
        files::sync_dir(&self.dir)?;
        for cleaned in &self.cleaned {
            for &base_offset in &cleaned.replaces[1..] {
                super::segment::remove_files(&self.dir, base_offset)?;
            }
        }
        self.cleaner.save(&self.dir)
    }
}
