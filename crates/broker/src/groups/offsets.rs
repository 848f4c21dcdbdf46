//! A committed offset is the position that a group has reached in a partition.
//!
//! ```text
//!  store:  offset/<group>/<topic>/<partition>                                → Committed
//!          pending/<producer id>/<epoch>/<group>/<topic>/<partition>         → Committed
//!          group/<group>                                                     → GroupRecord
//! ```
//!
//! A pending offset belongs to a transaction: its end makes it a committed offset or drops it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::journal::Change;

/// Whose position, and where. Ordered by group, so that a group's offsets are neighbours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OffsetKey {
    pub(crate) group: String,
    pub(crate) topic: String,
    pub(crate) partition: i32,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Committed {
    /// The next offset that the group will read.
    pub(crate) offset: i64,
    /// Of the last record read; -1 if unknown.
    pub(crate) leader_epoch: i32,
    /// The client's own note.
    pub(crate) metadata: String,
    /// When it was committed, in milliseconds since 1970.
    pub(crate) at_ms: i64,
}

impl Committed {
    /// What the journal takes at most for it: JSON writes a control character as six bytes.
    pub(crate) fn journal_bytes(&self, key: &OffsetKey) -> usize {
        200 + key.group.len() + key.topic.len() + 6 * self.metadata.len()
    }
}

/// A producer id and its epoch.
pub(crate) type Producer = (i64, i16);

/// All offsets of all groups.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    pub(crate) committed: BTreeMap<OffsetKey, Committed>,
    pub(crate) pending: BTreeMap<Producer, BTreeMap<OffsetKey, Committed>>,
}

/// What outlives a restart of a group itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    pub(crate) generation: i32,
    pub(crate) protocol_type: String,
    /// Milliseconds since 1970; `None` while the group has members.
    pub(crate) empty_since_ms: Option<i64>,
}

impl fmt::Display for OffsetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.group, self.topic, self.partition)
    }
}

impl OffsetKey {
    /// Topic names have no slash; group names may.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, '/');
        let partition = parts.next()?.parse().ok()?;
        let topic = parts.next()?.to_owned();
        Some(Self { group: parts.next()?.to_owned(), topic, partition })
    }

    fn first_of(group: &str) -> Self {
        Self { group: group.to_owned(), topic: String::new(), partition: i32::MIN }
    }
}

impl Offsets {
    /// Reads back what the store has, and returns the groups' records.
    pub(crate) fn load(stored: &BTreeMap<String, Value>) -> (Self, BTreeMap<String, GroupRecord>) {
        let mut offsets = Self::default();
        let mut groups = BTreeMap::new();
        for (key, value) in stored {
            if offsets.load_one(key, value, &mut groups).is_none() {
                tracing::warn!(key, "skipped an entry of the group journal that makes no sense");
            }
        }
        (offsets, groups)
    }

    fn load_one(
        &mut self,
        key: &str,
        value: &Value,
        groups: &mut BTreeMap<String, GroupRecord>,
    ) -> Option<()> {
        let (kind, rest) = key.split_once('/').unwrap_or_default();
        match kind {
            "offset" => {
                let committed = Deserialize::deserialize(value).ok()?;
                self.committed.insert(OffsetKey::parse(rest)?, committed);
            }
            "pending" => {
                let (id, rest) = rest.split_once('/')?;
                let (epoch, rest) = rest.split_once('/')?;
                let producer = (id.parse().ok()?, epoch.parse().ok()?);
                let committed = Deserialize::deserialize(value).ok()?;
                self.pending
                    .entry(producer)
                    .or_default()
                    .insert(OffsetKey::parse(rest)?, committed);
            }
            "group" => {
                groups.insert(rest.to_owned(), Deserialize::deserialize(value).ok()?);
            }
            // Topics and transactions share the store.
            _ => {}
        }
        Some(())
    }

    pub(crate) fn count(&self) -> usize {
        self.committed.len() + self.pending.values().map(BTreeMap::len).sum::<usize>()
    }

    /// A group's committed offsets, by topic and partition.
    pub(crate) fn of_group(
        &self,
        group: &str,
    ) -> impl Iterator<Item = (&OffsetKey, &Committed)> + use<'_> {
        let group = group.to_owned();
        self.committed
            .range(OffsetKey::first_of(&group)..)
            .take_while(move |(key, _)| key.group == group)
    }

    /// Whether a transaction that is not over yet may change this offset.
    pub(crate) fn is_unstable(&self, key: &OffsetKey) -> bool {
        self.pending.values().any(|offsets| offsets.contains_key(key))
    }

    /// The pending offsets of a producer: those that a commit at `epoch` makes valid, and the keys
    /// of all.
    pub(crate) fn of_producer(
        &self,
        producer_id: i64,
        epoch: i16,
    ) -> (BTreeMap<OffsetKey, Committed>, Vec<(Producer, OffsetKey)>) {
        let all = self.pending.range((producer_id, i16::MIN)..=(producer_id, i16::MAX));
        let keys = all.flat_map(|(producer, keys)| keys.keys().map(|key| (*producer, key.clone())));
        let valid = self.pending.get(&(producer_id, epoch)).cloned().unwrap_or_default();
        (valid, keys.collect())
    }

    pub(crate) fn remove(&mut self, keys: &[OffsetKey]) {
        for key in keys {
            self.committed.remove(key);
        }
    }

    pub(crate) fn drop_pending(&mut self, dropped: &[(Producer, OffsetKey)]) {
        for (producer, key) in dropped {
            if let Some(offsets) = self.pending.get_mut(producer) {
                offsets.remove(key);
                if offsets.is_empty() {
                    self.pending.remove(producer);
                }
            }
        }
    }
}

pub(crate) fn put_offset(key: &OffsetKey, committed: &Committed) -> Change {
    (format!("offset/{key}"), Some(json(committed)))
}

pub(crate) fn delete_offset(key: &OffsetKey) -> Change {
    (format!("offset/{key}"), None)
}

pub(crate) fn put_pending(producer: Producer, key: &OffsetKey, committed: &Committed) -> Change {
    (pending_key(producer, key), Some(json(committed)))
}

pub(crate) fn delete_pending(producer: Producer, key: &OffsetKey) -> Change {
    (pending_key(producer, key), None)
}

pub(crate) fn put_group(group: &str, record: &GroupRecord) -> Change {
    (format!("group/{group}"), Some(json(record)))
}

pub(crate) fn delete_group(group: &str) -> Change {
    (format!("group/{group}"), None)
}

fn pending_key((producer_id, epoch): Producer, key: &OffsetKey) -> String {
    format!("pending/{producer_id}/{epoch}/{key}")
}

fn json(value: &impl Serialize) -> Value {
    // Plain structs with string keys always have a JSON form.
    serde_json::to_value(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: &str, topic: &str, partition: i32) -> OffsetKey {
        OffsetKey { group: group.into(), topic: topic.into(), partition }
    }

    fn at(offset: i64) -> Committed {
        Committed { offset, leader_epoch: -1, metadata: "m".into(), at_ms: 5 }
    }

    #[test]
    fn reads_back_what_was_stored() {
        let group = GroupRecord {
            generation: 7,
            protocol_type: "consumer".into(),
            empty_since_ms: Some(3),
        };
        let changes = [
            put_offset(&key("a/b", "t", 0), &at(1)),
            put_offset(&key("", "t", 12), &at(2)),
            put_pending((9, 2), &key("a/b", "t", 1), &at(3)),
            put_group("a/b", &group),
        ];
        let stored = changes.into_iter().map(|(key, value)| (key, value.unwrap())).collect();
        let (offsets, groups) = Offsets::load(&stored);
        assert_eq!(offsets.committed[&key("a/b", "t", 0)], at(1));
        assert_eq!(offsets.committed[&key("", "t", 12)], at(2));
        assert_eq!(offsets.pending[&(9, 2)][&key("a/b", "t", 1)], at(3));
        assert_eq!(groups["a/b"], group);
    }

    #[test]
    fn lists_the_offsets_of_one_group() {
        let mut offsets = Offsets::default();
        for (group, partition) in [("a", 0), ("b", 0), ("b", 1), ("ba", 0)] {
            offsets.committed.insert(key(group, "t", partition), at(1));
        }
        let found: Vec<i32> = offsets.of_group("b").map(|(key, _)| key.partition).collect();
        assert_eq!(found, [0, 1]);
    }

    #[test]
    fn only_the_committing_epoch_makes_pending_offsets_valid() {
        let mut offsets = Offsets::default();
        for (producer, offset) in [((1, 0), 10), ((1, 1), 11), ((2, 1), 12)] {
            offsets.pending.entry(producer).or_default().insert(key("g", "t", 0), at(offset));
        }
        let (valid, all) = offsets.of_producer(1, 1);
        assert_eq!(valid.values().map(|at| at.offset).collect::<Vec<_>>(), [11]);
        assert_eq!(all.len(), 2);
        assert!(offsets.is_unstable(&key("g", "t", 0)));
        offsets.drop_pending(&all);
        assert_eq!(offsets.pending.keys().collect::<Vec<_>>(), [&(2, 1)]);
    }
}
