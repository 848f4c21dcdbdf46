//! What the engine can be told.

use std::time::Duration;

use crate::queue::Topics;

/// What to do when the log is not the one that the snapshots were made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLogChange {
    /// Stop counting that partition and say so.
    #[default]
    Halt,
    /// Count the log that is there from its start.
    Restart,
}

/// What to do when retention has taken records before they were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnGap {
    /// Stop counting that partition and say so.
    #[default]
    Halt,
    /// Go on behind the gap; the totals say that they are not exact.
    Record,
}

/// What the engine can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// The topics.
    pub topics: Topics,
    /// The consumer group: its members share the partitions.
    pub group: String,
    /// The name under which this member keeps its partitions over a restart, unique in the group.
    pub instance_id: Option<String>,
    /// Whether topics are created and get more partitions here; if not, they are waited for.
    pub manage_topics: bool,
    /// Partitions of the ratings topic if it must be created, at least 1.
    pub partitions: i32,
    /// Copies of each partition if topics must be created; -1 leaves it to the broker.
    pub replication: i32,
    /// Time between two snapshots of a partition that changes.
    pub snapshot_interval: Duration,
    /// Offsets after which a snapshot is written even earlier, at least 1.
    pub snapshot_distance: i64,
    /// What to do when the log is another one.
    pub on_log_change: OnLogChange,
    /// What to do when records are gone before they were counted.
    pub on_gap: OnGap,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            topics: Topics::default(),
            group: "voiceRatingConsumer".into(),
            instance_id: None,
            manage_topics: true,
            partitions: 6,
            replication: -1,
            snapshot_interval: Duration::from_millis(250),
            snapshot_distance: 50_000,
            on_log_change: OnLogChange::default(),
            on_gap: OnGap::default(),
        }
    }
}
