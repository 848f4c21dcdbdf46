//! Logs as a whole: what survives crashes, damage, retention and compaction.

mod compaction;
mod format;
mod producers;
mod recovery;
mod retention;

use crate::limits::COMPACTION_KEYS_MAX;
use crate::partition::{LogConfig, Partition};

/// Segments of a few batches.
fn small_segments() -> LogConfig {
    LogConfig { segment_bytes: 400, retention_ms: None, ..LogConfig::default() }
}

/// Settings under which every maintenance compacts all but the active segment.
fn compacted() -> LogConfig {
    LogConfig { compact: true, delete: false, min_cleanable_dirty_ratio: 0.0, ..small_segments() }
}

/// Seals the active segment and compacts everything before it.
fn compact_all(partition: &Partition, now_ms: i64) {
    compact_with_memory_for(partition, now_ms, COMPACTION_KEYS_MAX);
}

fn compact_with_memory_for(partition: &Partition, now_ms: i64, keys: usize) {
    partition.roll();
    partition.compact(now_ms, keys).unwrap();
}
