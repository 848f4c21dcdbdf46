//! What a topic's settings mean for its logs.

/// Settings of one log; the defaults are Kafka's, but for a smaller segment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LogConfig {
    /// `segment.bytes`: the active segment rolls before it grows beyond this.
    pub(crate) segment_bytes: u64,
    /// `segment.ms`: it also rolls when its first batch is older than this.
    pub(crate) segment_ms: i64,
    /// `retention.ms`: segments whose newest record is older go; `None` keeps them.
    pub(crate) retention_ms: Option<i64>,
    /// `retention.bytes`: the oldest segments go while the others hold this much; `None` keeps them.
    pub(crate) retention_bytes: Option<u64>,
    /// `cleanup.policy` contains delete: the two retention settings apply.
    pub(crate) delete: bool,
    /// `cleanup.policy` contains compact: the newest record of each key stays.
    pub(crate) compact: bool,
    /// `max.message.bytes`: the largest batch that is accepted, as sent.
    pub(crate) max_message_bytes: usize,
    /// `min.cleanable.dirty.ratio`: compaction waits for this part of the log to be new, 0 to 1.
    pub(crate) min_cleanable_dirty_ratio: f64,
    /// `delete.retention.ms`: how long a compacted log keeps a tombstone for readers to see.
    pub(crate) delete_retention_ms: i64,
    /// `min.compaction.lag.ms`: newer records are not compacted.
    pub(crate) min_compaction_lag_ms: i64,
    /// `message.timestamp.type` is `LogAppendTime`.
    pub(crate) log_append_time: bool,
    /// `message.timestamp.before.max.ms`: a record may be that much older than the broker's clock.
    pub(crate) timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: a record may be that much newer than the broker's clock.
    pub(crate) timestamp_after_max_ms: i64,
}

impl Default for LogConfig {
    fn default() -> Self {
        const DAY_MS: i64 = 24 * 3600 * 1000;
        Self {
            segment_bytes: 128 << 20,
            segment_ms: 7 * DAY_MS,
            retention_ms: Some(7 * DAY_MS),
            retention_bytes: None,
            delete: true,
            compact: false,
            max_message_bytes: (1 << 20) + 12,
            min_cleanable_dirty_ratio: 0.5,
            delete_retention_ms: DAY_MS,
            min_compaction_lag_ms: 0,
            log_append_time: false,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
        }
    }
}

/// When written data must be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fsync {
    /// Acknowledged once in the page cache (survives a killed process, not a power loss); whoever
    /// runs the partitions calls `flush` about this often.
    Periodic {
        /// Time between two flushes.
        interval_ms: u64,
    },
    /// Acknowledged, and shown to readers, once on the disk.
    Always,
}
