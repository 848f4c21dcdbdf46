//! Which segments have served their time: rolling by age, retention by time and size.

use super::segment::Segment;
use super::{Log, Write, files};
use std::io;
use std::path::PathBuf;

/// Segments that have left the log; their files may still be there.
#[derive(Debug)]
pub(crate) struct Retired {
    dir: PathBuf,
    segments: Vec<Segment>,
}

impl Retired {
    /// Removes the files, oldest first, so that a crash leaves no gap.
    pub(crate) fn remove(&self) -> io::Result<()> {
        if self.segments.is_empty() {
            return Ok(());
        }
        for segment in &self.segments {
            segment.remove(&self.dir)?;
        }
        files::sync_dir(&self.dir)
    }
}

impl Log {
    /// Plans a new segment when the active one is older than `segment_ms`, so that it can be deleted or
    /// compacted.
    pub(crate) fn plan_roll_by_time(&mut self, now_ms: i64) -> io::Result<Option<Write>> {
        let active = self.active();
        let first_ms = active.index.first_append_ms;
        let old = first_ms >= 0 && now_ms.saturating_sub(first_ms) >= self.config.segment_ms;
        // A segment that is past its retention need not wait until it is full, as in Kafka.
        if old || self.is_expired(active, now_ms) { self.plan_roll(now_ms) } else { Ok(None) }
    }

    fn is_expired(&self, segment: &Segment, now_ms: i64) -> bool {
        let Some(retention_ms) = self.config.retention_ms.filter(|_| self.config.delete) else {
            return false;
        };
        // Records without a timestamp count from when the segment began.
        let newest_ms = match segment.index.max_timestamp_ms {
            -1 => segment.index.first_append_ms,
            newest_ms => newest_ms,
        };
        newest_ms >= 0 && now_ms.saturating_sub(newest_ms) > retention_ms
    }

    /// The log start after what retention lets go.
    pub(crate) fn start_by_retention(&self, now_ms: i64) -> i64 {
        let mut size_bytes = self.size_bytes();
        let mut start_offset = self.start_offset;
        for pair in self.segments.windows(2) {
            let (segment, next) = (&pair[0], &pair[1]);
            let kept_bytes = size_bytes - segment.size_bytes;
            let too_large = self.config.delete
                && self.config.retention_bytes.is_some_and(|most| kept_bytes >= most);
            let below_start = next.base_offset <= self.start_offset;
            let visible = next.base_offset <= self.high_watermark;
            if !visible || !(below_start || too_large || self.is_expired(segment, now_ms)) {
                break;
            }
            size_bytes = kept_bytes;
            start_offset = start_offset.max(next.base_offset);
        }
        start_offset
    }

    /// Takes the segments below the log start out of the log. The caller removes their files, outside
    /// of the lock: that can take long.
    pub(crate) fn retire(&mut self) -> Retired {
        let start_offset = self.start_offset;
        self.producers.aborted.forget_before(start_offset);
        let gone = self.segments.windows(2).filter(|it| it[1].base_offset <= start_offset).count();
        Retired { dir: self.dir.clone(), segments: self.segments.drain(..gone).collect() }
    }

    /// Forgets producer ids that have been idle for a day.
    pub(crate) fn expire_producers(&mut self, now_ms: i64) {
        self.producers.expire(now_ms);
    }
}
