//! The three topics: their names, and the settings with which they are created.

use crate::limits::SNAPSHOT_BYTES_MAX;

/// A setting of a topic and its value, as Kafka writes them.
pub type TopicSetting = (&'static str, String);

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How long ratings are kept, in milliseconds.
const RATINGS_RETENTION_MS: i64 = 7 * DAY_MS;

/// How long dead letters are kept, in milliseconds: people need longer than programs.
const DEAD_LETTERS_RETENTION_MS: i64 = 30 * DAY_MS;

/// Bytes after which a segment of the totals is closed. They are small, because only closed ones
/// are compacted and a board that starts should find little else than the newest snapshots.
const TOTALS_SEGMENT_BYTES: i64 = 32 * 1024 * 1024;

/// The topics that erboh uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Where the ratings are.
    pub ratings: String,
    /// Where the snapshots of the totals are: compacted, as many partitions as `ratings`.
    pub totals: String,
    /// Where the records that are no ratings go.
    pub dead_letters: String,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            ratings: "erboh-ratings".into(),
            totals: "erboh-totals".into(),
            dead_letters: "erboh-dead-letters".into(),
        }
    }
}

impl Topics {
    /// With what the ratings' topic is created. What is not named is the cluster's own choice.
    #[must_use]
    pub fn ratings_settings() -> Vec<TopicSetting> {
        vec![
            ("cleanup.policy", "delete".to_owned()),
            ("retention.ms", RATINGS_RETENTION_MS.to_string()),
        ]
    }

    /// The same for the totals' topic.
    #[must_use]
    pub fn totals_settings() -> Vec<TopicSetting> {
        vec![
            ("cleanup.policy", "compact".to_owned()),
            ("max.message.bytes", SNAPSHOT_BYTES_MAX.to_string()),
            ("segment.bytes", TOTALS_SEGMENT_BYTES.to_string()),
            ("segment.ms", HOUR_MS.to_string()),
        ]
    }

    /// The same for the dead letters' topic.
    #[must_use]
    pub fn dead_letters_settings() -> Vec<TopicSetting> {
        vec![
            ("cleanup.policy", "compact,delete".to_owned()),
            ("retention.ms", DEAD_LETTERS_RETENTION_MS.to_string()),
        ]
    }
}
