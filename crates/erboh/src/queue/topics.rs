//! The names of the three topics.

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
