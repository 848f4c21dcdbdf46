//! Positions: committing, fetching and deleting the offsets of a group.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::ResponseError;

use super::offsets::{
    Committed, OffsetKey, Producer, delete_offset, delete_pending, put_offset, put_pending,
};
use super::{Claim, Groups, Registry, State, new_entry};
use crate::limits::{GROUP_OFFSETS, ID_BYTES, OFFSETS_PER_DELETION, OFFSETS_PER_WRITE_BYTES};

/// One answer to "how far is the group": nothing committed, or the commit, or an error.
pub(crate) type Position = Result<Option<Committed>, ResponseError>;

/// What a client asks for: topics and partitions, or everything the group has.
type Wanted = Option<BTreeMap<String, BTreeSet<i32>>>;

impl Groups {
    /// `OffsetCommit`: all offsets or none. A group without membership comes into being with its
    /// first commit.
    pub(crate) async fn commit(
        &self,
        group: &str,
        claim: &Claim<'_>,
        offsets: Vec<(OffsetKey, Committed)>,
    ) -> Result<(), ResponseError> {
        let plan = |registry: &mut Registry| {
            check_size(registry, offsets.iter().map(|(key, at)| (key, at)))?;
            self.check_commit(registry, group, claim, false)?;
            let changes = offsets.iter().map(|(key, at)| put_offset(key, at)).collect();
            let (id, initial_delay) = (group.to_owned(), self.initial_delay);
            let apply = move |registry: &mut Registry| {
                registry.offsets.committed.extend(offsets);
                // The group may have been deleted meanwhile; then it begins anew.
                registry.groups.entry(id).or_insert_with(|| new_entry(initial_delay));
            };
            Ok((changes, apply))
        };
        self.write(plan).await
    }

    /// `TxnOffsetCommit`: the offsets wait for the end of the producer's transaction.
    pub(crate) async fn commit_pending(
        &self,
        group: &str,
        claim: &Claim<'_>,
        producer: Producer,
        offsets: Vec<(OffsetKey, Committed)>,
    ) -> Result<(), ResponseError> {
        let plan = |registry: &mut Registry| {
            let before = registry.offsets.pending.get(&producer).into_iter().flatten();
            check_size(registry, before.chain(offsets.iter().map(|(key, at)| (key, at))))?;
            self.check_commit(registry, group, claim, true)?;
            let put = |(key, at): &(OffsetKey, Committed)| put_pending(producer, key, at);
            let changes = offsets.iter().map(put).collect();
            let apply = move |registry: &mut Registry| {
                registry.offsets.pending.entry(producer).or_default().extend(offsets);
            };
            Ok((changes, apply))
        };
        self.write(plan).await
    }

    fn check_commit(
        &self,
        registry: &mut Registry,
        group: &str,
        claim: &Claim<'_>,
        is_transactional: bool,
    ) -> Result<(), ResponseError> {
        if group.len() > ID_BYTES {
            return Err(ResponseError::InvalidGroupId);
        }
        if !registry.groups.contains_key(group) {
            if claim.generation >= 0 {
                return Err(ResponseError::IllegalGeneration);
            }
            registry.create(group, self.initial_delay)?;
        }
        self.act(registry, group, |group, now| group.check_commit(claim, is_transactional, now))
            .unwrap_or(Err(ResponseError::UnknownMemberId))
    }

    /// The end of a producer's transaction: its pending offsets become valid together, or vanish.
    pub(crate) async fn end_transaction(
        &self,
        producer: Producer,
        is_commit: bool,
    ) -> Result<(), ResponseError> {
        self.settle_pending(producer, is_commit, || true).await
    }

    /// Drops the pending offsets of a producer unless `is_orphan` says no. It is asked under the
    /// lock, when no pending offset can be added any more.
    pub(crate) async fn drop_pending(
        &self,
        producer: Producer,
        is_orphan: impl FnOnce() -> bool,
    ) -> Result<(), ResponseError> {
        self.settle_pending(producer, false, is_orphan).await
    }

    async fn settle_pending(
        &self,
        (producer_id, epoch): Producer,
        is_commit: bool,
        is_due: impl FnOnce() -> bool,
    ) -> Result<(), ResponseError> {
        let plan = |registry: &mut Registry| {
            let (mut valid, mut dropped) = registry.offsets.of_producer(producer_id, epoch);
            if !is_commit {
                valid.clear();
            }
            if !is_due() {
                dropped.clear();
            }
            let puts = valid.iter().map(|(key, at)| put_offset(key, at));
            let deletes = dropped.iter().map(|(producer, key)| delete_pending(*producer, key));
            let changes = puts.chain(deletes).collect();
            let apply = move |registry: &mut Registry| {
                registry.offsets.committed.extend(valid);
                registry.offsets.drop_pending(&dropped);
            };
            Ok((changes, apply))
        };
        self.write(plan).await
    }

    /// Producers whose transactions have pending offsets.
    pub(crate) fn pending_producers(&self) -> Vec<Producer> {
        self.lock().offsets.pending.keys().copied().collect()
    }

    /// `OffsetFetch`, by topic. With `require_stable`, an offset that an unfinished transaction
    /// may change is answered with `UNSTABLE_OFFSET_COMMIT`, and the client asks again.
    pub(crate) fn positions(
        &self,
        group: &str,
        wanted: Wanted,
        require_stable: bool,
    ) -> BTreeMap<String, Vec<(i32, Position)>> {
        let registry = self.lock();
        let offsets = &registry.offsets;
        let position = |key: &OffsetKey| {
            if require_stable && offsets.is_unstable(key) {
                Err(ResponseError::UnstableOffsetCommit)
            } else {
                Ok(offsets.committed.get(key).cloned())
            }
        };
        let Some(topics) = wanted else {
            let mut found: BTreeMap<String, Vec<(i32, Position)>> = BTreeMap::new();
            for (key, _) in offsets.of_group(group) {
                found.entry(key.topic.clone()).or_default().push((key.partition, position(key)));
            }
            return found;
        };
        let of_topic = |(topic, partitions): (String, BTreeSet<i32>)| {
            // One key for all of them: the names may be long and the partitions many.
            let mut key = OffsetKey { group: group.to_owned(), topic, partition: 0 };
            let positions = partitions.into_iter().map(|partition| {
                key.partition = partition;
                (partition, position(&key))
            });
            let positions = positions.collect();
            (key.topic, positions)
        };
        topics.into_iter().map(of_topic).collect()
    }

    /// `OffsetDelete`: an outcome per topic and partition, or one error for all. The offsets of a
    /// topic stay while members are subscribed to it.
    pub(crate) async fn delete_offsets(
        &self,
        group: &str,
        asked: &[(&str, i32)],
    ) -> Result<Vec<Result<(), ResponseError>>, ResponseError> {
        let subscribed = self
            .look(group, |group| match group.state() {
                State::Empty => Ok(BTreeSet::new()),
                _ => group.subscriptions().ok_or(ResponseError::NonEmptyGroup),
            })
            .unwrap_or(Err(ResponseError::GroupIdNotFound))?;
        let outcome = |(topic, _): &(&str, i32)| {
            let is_used = subscribed.contains(*topic);
            if is_used { Err(ResponseError::GroupSubscribedToTopic) } else { Ok(()) }
        };
        let outcomes: Vec<_> = asked.iter().map(outcome).collect();
        let free = asked.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
        let keys = free.map(|((topic, partition), _)| OffsetKey {
            group: group.to_owned(),
            topic: (*topic).to_owned(),
            partition: *partition,
        });
        let keys: BTreeSet<OffsetKey> = {
            let registry = self.lock();
            keys.filter(|key| registry.offsets.committed.contains_key(key)).collect()
        };
        self.forget(|_, key, _| keys.contains(key)).await?;
        Ok(outcomes)
    }

    /// Drops the offsets that all groups have in a topic, because the topic is deleted.
    pub(crate) async fn topic_deleted(&self, topic: &str) -> Result<(), ResponseError> {
        self.forget(|_, key, _| key.topic == topic).await
    }

    /// Forgets the committed offsets that `is_due` picks, some at a time. It is asked under the lock
    /// of each write: what was committed meanwhile is not what was picked before.
    pub(super) async fn forget(
        &self,
        is_due: impl Fn(&Registry, &OffsetKey, &Committed) -> bool,
    ) -> Result<(), ResponseError> {
        let mut count = OFFSETS_PER_DELETION;
        while count == OFFSETS_PER_DELETION {
            let plan = |registry: &mut Registry| {
                let due = registry.offsets.committed.iter();
                let due = due.filter(|(key, at)| is_due(registry, key, at));
                let keys: Vec<_> =
                    due.map(|(key, _)| key.clone()).take(OFFSETS_PER_DELETION).collect();
                count = keys.len();
                let changes = keys.iter().map(delete_offset).collect();
                Ok((changes, move |registry: &mut Registry| registry.offsets.remove(&keys)))
            };
            self.write(plan).await?;
        }
        Ok(())
    }
}

/// Whether these offsets fit into one write, and into what all groups may have.
fn check_size<'a>(
    registry: &Registry,
    offsets: impl Iterator<Item = (&'a OffsetKey, &'a Committed)>,
) -> Result<(), ResponseError> {
    let (mut count, mut size_bytes) = (0, 0);
    for (key, at) in offsets {
        count += 1;
        size_bytes += at.journal_bytes(key);
    }
    if registry.offsets.count() + count > GROUP_OFFSETS || size_bytes > OFFSETS_PER_WRITE_BYTES {
        return Err(ResponseError::InvalidCommitOffsetSize);
    }
    Ok(())
}
