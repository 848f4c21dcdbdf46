//! How far compaction of a log came, and when: what makes tombstones old enough to go.

use super::files;
use crate::limits::COMPACTION_PASSES_MAX;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// The `cleaner` file, JSON and its checksum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cleaner {
    /// Below this offset every key is there once.
    pub(super) clean_before: i64,
    /// Transaction markers before this offset may be gone, and with them the need to know of the
    /// aborted transactions that they ended.
    pub(super) markers_dropped_before: i64,
    /// Ascending: everything before the offset was cleaned at this time or earlier.
    passes: Vec<(i64, i64)>,
}

impl Cleaner {
    pub(super) fn load(dir: &Path) -> Self {
        let bytes = files::read_checked(&dir.join(files::CLEANER));
        bytes.and_then(|it| serde_json::from_slice(&it).ok()).unwrap_or_default()
    }

    /// Writes the file durably.
    pub(super) fn save(&self, dir: &Path) -> io::Result<()> {
        files::write_durable(&dir.join(files::CLEANER), &serde_json::to_vec(self)?)
    }

    /// Forgets what was said of offsets that a crash took, as others will be written there.
    pub(super) fn clamp(&mut self, end_offset: i64) {
        self.clean_before = self.clean_before.min(end_offset);
        self.markers_dropped_before = self.markers_dropped_before.min(end_offset);
        self.passes.retain(|(offset, _)| *offset <= end_offset);
    }

    /// Tombstones and markers before this offset have been seen long enough at `now_ms`.
    pub(super) fn tombstones_expired_before(&self, now_ms: i64, delete_retention_ms: i64) -> i64 {
        let oldest_ms = now_ms.saturating_sub(delete_retention_ms);
        let expired = self.passes.iter().filter(|(_, cleaned_ms)| *cleaned_ms <= oldest_ms);
        expired.map(|(offset, _)| *offset).max().unwrap_or(0)
    }

    /// Notes a pass that cleaned everything before `offset`.
    pub(super) fn passed(&mut self, offset: i64, now_ms: i64) {
        self.clean_before = self.clean_before.max(offset);
        if self.passes.last().is_none_or(|(last, _)| *last < offset) {
            self.passes.push((offset, now_ms));
        }
        if self.passes.len() > COMPACTION_PASSES_MAX {
            // The older of two neighbours is forgotten, so what it covered counts as cleaned later.
            let newest = self.passes.split_off(COMPACTION_PASSES_MAX / 2);
            let mut keep = false;
            self.passes.retain(|_| {
                keep = !keep;
                !keep
            });
            self.passes.extend(newest);
        }
    }
}
