//! Unreadable: records that the log has and that cannot be read: a wrong checksum, junk in the place of records, a
//! batch of which nothing comes at all.
//!
//! ```text
//!   reader: "some partition's records …"  ─► all are Suspect ─► checked one by one, by the client of the take-overs
//!   nothing comes, although there is more ─► that one is      │
//!                                                             ├ readable: read on where it was
//!                                                             └ not: its totals are written, then it is tried again
//!                                                               with back-off, and halted after a few tries
//! ```
//!
//! Counting must not go on behind such records, and the other partitions have nothing to do with them. The way by a
//! second client is needed because librdkafka's Rust binding names no partition in an error of a consumer.

use std::fmt;

use super::limits::UNREADABLE_TRIES;

/// Records that could not be read the last time.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// The first of them; everything before it can be read.
    pub(super) offset: i64,
    reason: String,
    tries: u32,
}

impl Unreadable {
    /// Notes one more try, the first one at another offset.
    pub(super) fn after(known: Option<&Self>, offset: i64, reason: String) -> Self {
        let before = known.filter(|known| known.offset == offset).map_or(0, |known| known.tries);
        Self { offset, reason, tries: before.saturating_add(1) }
    }

    /// Whether that was the first try.
    pub(super) fn is_new(&self) -> bool {
        self.tries == 1
    }

    /// Whether it was tried so often that the partition is to be halted.
    pub(super) fn is_certain(&self) -> bool {
        self.tries >= UNREADABLE_TRIES
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the records from offset {} cannot be read: {}; counting resumes by itself once they can: make a replica \
             with an intact copy the leader, or, if there is none, delete the records up to the end of that batch \
             (kafka-delete-records.sh) and resume after them with --on-gap=record",
            self.offset, self.reason
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certain_after_some_tries_at_one_offset() {
        let mut found = Unreadable::after(None, 7, "junk".into());
        assert!(found.is_new());
        for _ in 1..UNREADABLE_TRIES {
            assert!(!found.is_certain());
            found = Unreadable::after(Some(&found), 7, "junk".into());
            assert!(!found.is_new());
        }
        assert!(found.is_certain());
        let text = found.to_string();
        assert!(text.contains("offset 7") && text.contains("junk"), "{text}");
        let further = Unreadable::after(Some(&found), 8, "junk".into());
        assert!(further.is_new() && !further.is_certain());
    }
}
