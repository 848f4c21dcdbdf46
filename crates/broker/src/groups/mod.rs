//! Groups: who reads what together, and how far they have got.
//!
//! ```text
//!  handlers ──► Groups ──► Group (state machine, members)      lost at a restart: members rejoin
//!                 │
//!                 └──────► Offsets ◄── Journal ──► store       survives
//! ```
//!
//! One lock guards all groups. It is held for the time of one transition, never across an await:
//! parked requests wait on a channel, writes go through the journal.

mod group;
mod member;
mod offsets;
mod positions;
mod rebalance;
mod static_members;
mod timers;

#[cfg(test)]
mod model;
#[cfg(test)]
mod persistence;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use serde_json::Value;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

pub(crate) use self::group::{Claim, Group, State, SyncGroup};
pub(crate) use self::member::{Join, JoinRefused, Joined, MemberMetadata, Protocol};
use self::member::{JoinAnswer, SyncAnswer};
pub(crate) use self::offsets::{Committed, OffsetKey};
use self::offsets::{GroupRecord, Offsets, delete_group, delete_offset, put_group};
pub(crate) use self::positions::Position;
use crate::journal::{Change, Journal, Place, Written, outcome};
use crate::limits::{GROUP_METADATA_BYTES, GROUPS, ID_BYTES, OFFSETS_PER_DELETION};
use crate::store::Store;
use crate::time::now_ms;

/// The coordinator of all groups. Clones share the same groups.
#[derive(Debug, Clone)]
pub(crate) struct Groups {
    registry: Arc<Mutex<Registry>>,
    journal: Journal,
    /// Tells the timer that something is due earlier than it thinks.
    earlier: Arc<Notify>,
    initial_delay: Duration,
}

#[derive(Debug, Default)]
struct Registry {
    groups: HashMap<String, Entry>,
    offsets: Offsets,
    /// What clients made us hold in all groups together.
    size_bytes: usize,
    /// When the timer looks next.
    armed: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    group: Group,
    /// Milliseconds since 1970; `None` while there are members.
    empty_since_ms: Option<i64>,
    saved: Saved,
    size_bytes: usize,
}

/// Whether the journal has the group's present generation.
#[derive(Debug)]
enum Saved {
    No,
    /// It is being written. All who need it wait for the one write.
    Soon(watch::Receiver<Option<Written>>),
    Yes,
}

impl Entry {
    fn record(&self) -> GroupRecord {
        GroupRecord {
            generation: self.group.generation(),
            protocol_type: self.group.protocol_type().to_owned(),
            empty_since_ms: self.empty_since_ms,
        }
    }
}

impl Groups {
    /// Takes over the offsets and generations that the store had. Must be called within a tokio
    /// runtime: it starts the task that writes the journal.
    pub(crate) fn open(
        store: Arc<Store>,
        stored: &BTreeMap<String, Value>,
        initial_delay: Duration,
    ) -> Self {
        let (offsets, records) = Offsets::load(stored);
        let mut registry = Registry { offsets, ..Registry::default() };
        for (id, record) in records {
            let group = Group::new(record.generation, record.protocol_type, initial_delay);
            // A group that had members when the broker went down is empty from now on.
            let saved = if record.empty_since_ms.is_some() { Saved::Yes } else { Saved::No };
            let empty_since_ms = Some(record.empty_since_ms.unwrap_or_else(now_ms));
            registry.groups.insert(id, Entry { group, empty_since_ms, saved, size_bytes: 0 });
        }
        let with_offsets: Vec<String> =
            registry.offsets.committed.keys().map(|key| key.group.clone()).collect();
        for id in with_offsets {
            registry.groups.entry(id).or_insert_with(|| new_entry(initial_delay));
        }
        Self {
            registry: Arc::new(Mutex::new(registry)),
            journal: Journal::start(store),
            earlier: Arc::default(),
            initial_delay,
        }
    }

    /// Waits for the end of the task that writes the journal; see [`Journal::ended`].
    pub(crate) async fn journal_ended(&self) {
        self.journal.ended().await;
    }

    /// `JoinGroup`. Waits until the group's join phase is over.
    pub(crate) async fn join(&self, group: &str, join: &Join) -> JoinAnswer {
        let refused = |error| JoinRefused { error, member_id: join.member_id.clone() };
        let receiver = self.start_join(group, join).map_err(refused)?;
        let answer = receiver.await;
        let joined =
            answer.unwrap_or_else(|_| Err(refused(ResponseError::CoordinatorNotAvailable)))?;
        // The generation is in the journal before any member learns of it, so that numbers only grow.
        // Otherwise the members come again, and so does the write.
        self.save(group).await.map_err(refused)?;
        Ok(joined)
    }

    fn start_join(
        &self,
        group: &str,
        join: &Join,
    ) -> Result<oneshot::Receiver<JoinAnswer>, ResponseError> {
        if group.is_empty() || group.len() > ID_BYTES {
            return Err(ResponseError::InvalidGroupId);
        }
        let mut registry = self.lock();
        registry.check_size(join.size_bytes())?;
        if !registry.groups.contains_key(group) {
            if !join.member_id.is_empty() {
                return Err(ResponseError::UnknownMemberId);
            }
            registry.create(group, self.initial_delay)?;
        }
        let act = |group: &mut Group, now| group.join(join, now);
        self.act(&mut registry, group, act).ok_or(ResponseError::UnknownMemberId)
    }

    /// `SyncGroup`. Waits for the leader's assignment.
    pub(crate) async fn sync(&self, group: &str, sync: SyncGroup<'_>) -> SyncAnswer {
        let receiver = {
            let mut registry = self.lock();
            registry.check_size(sync.assignments.iter().map(|(_, part)| part.len()).sum())?;
            self.act(&mut registry, group, |group, now| group.sync(sync, now))
        };
        let answer = receiver.ok_or(ResponseError::UnknownMemberId)?.await;
        answer.unwrap_or(Err(ResponseError::CoordinatorNotAvailable))
    }

    /// `Heartbeat`.
    pub(crate) fn heartbeat(&self, group: &str, claim: &Claim<'_>) -> Result<(), ResponseError> {
        self.with(group, |group, now| group.heartbeat(claim, now))
            .unwrap_or(Err(ResponseError::UnknownMemberId))
    }

    /// `LeaveGroup`, one outcome per member id and instance id.
    pub(crate) async fn leave(
        &self,
        group: &str,
        leaving: &[(&str, Option<&str>)],
    ) -> Vec<Result<(), ResponseError>> {
        let outcomes = self.with(group, |group, now| {
            let leave = |(id, instance): &(&str, Option<&str>)| group.leave(id, *instance, now);
            leaving.iter().map(leave).collect()
        });
        self.save_or_warn(group).await;
        outcomes.unwrap_or_else(|| vec![Err(ResponseError::UnknownMemberId); leaving.len()])
    }

    /// Shows a group to `look`. `None` if there is no such group.
    pub(crate) fn look<T>(&self, group: &str, look: impl FnOnce(&Group) -> T) -> Option<T> {
        self.lock().groups.get(group).map(|entry| look(&entry.group))
    }

    /// Every group's name, protocol type and state.
    pub(crate) fn list(&self) -> Vec<(String, String, State)> {
        let registry = self.lock();
        let describe = |(id, entry): (&String, &Entry)| {
            (id.clone(), entry.group.protocol_type().to_owned(), entry.group.state())
        };
        registry.groups.iter().map(describe).collect()
    }

    /// Deletes a group without members, and its offsets.
    pub(crate) async fn delete(&self, group: &str) -> Result<(), ResponseError> {
        let mut is_last = false;
        while !is_last {
            let plan = |registry: &mut Registry| {
                let entry = registry.groups.get(group).ok_or(ResponseError::GroupIdNotFound)?;
                if entry.group.state() != State::Empty {
                    return Err(ResponseError::NonEmptyGroup);
                }
                let keys = registry.offsets.of_group(group).map(|(key, _)| key.clone());
                let keys: Vec<_> = keys.take(OFFSETS_PER_DELETION).collect();
                is_last = keys.len() < OFFSETS_PER_DELETION;
                let mut changes: Vec<_> = keys.iter().map(delete_offset).collect();
                let id = is_last.then(|| group.to_owned());
                changes.extend(id.as_deref().map(delete_group));
                let apply = move |registry: &mut Registry| {
                    registry.offsets.remove(&keys);
                    if let Some(id) = id {
                        registry.remove_if_empty(&id);
                    }
                };
                Ok((changes, apply))
            };
            self.write(plan).await?;
        }
        Ok(())
    }

    /// Lets a group make a transition. `None` if there is no such group.
    fn with<T>(&self, group: &str, act: impl FnOnce(&mut Group, Instant) -> T) -> Option<T> {
        self.act(&mut self.lock(), group, act)
    }

    fn act<T>(
        &self,
        registry: &mut Registry,
        group: &str,
        act: impl FnOnce(&mut Group, Instant) -> T,
    ) -> Option<T> {
        let entry = registry.groups.get_mut(group)?;
        let before = entry.group.generation();
        let result = act(&mut entry.group, Instant::now());
        if entry.group.generation() != before {
            let is_empty = entry.group.state() == State::Empty;
            entry.empty_since_ms = is_empty.then(now_ms);
            entry.saved = Saved::No;
        }
        let size_bytes = entry.group.size_bytes();
        registry.size_bytes = registry.size_bytes + size_bytes - entry.size_bytes;
        entry.size_bytes = size_bytes;
        let due = entry.group.next_deadline();
        if due.is_some_and(|due| registry.armed.is_none_or(|armed| due < armed)) {
            self.earlier.notify_one();
        }
        Some(result)
    }

    /// Sees to it that the group's generation is in the journal, and waits until it is.
    async fn save(&self, group: &str) -> Result<(), ResponseError> {
        let is_saved = |registry: &Registry| {
            registry.groups.get(group).is_none_or(|entry| matches!(entry.saved, Saved::Yes))
        };
        if is_saved(&self.lock()) {
            return Ok(());
        }
        let place = self.journal.reserve().await?;
        let mut written = {
            let mut registry = self.lock();
            match registry.groups.get_mut(group) {
                None | Some(Entry { saved: Saved::Yes, .. }) => return Ok(()),
                Some(Entry { saved: Saved::Soon(written), .. }) => written.clone(),
                Some(entry) => self.start_save(place, group, entry),
            }
        };
        let outcome = written.wait_for(Option::is_some).await;
        // The journal's task is gone only when the broker stops, or has failed.
        outcome
            .ok()
            .and_then(|outcome| *outcome)
            .unwrap_or(Err(ResponseError::CoordinatorNotAvailable))
    }

    fn start_save(
        &self,
        place: Place<'_>,
        group: &str,
        entry: &mut Entry,
    ) -> watch::Receiver<Option<Written>> {
        let (done, written) = watch::channel(None);
        entry.saved = Saved::Soon(written.clone());
        let generation = entry.group.generation();
        let (shared, id) = (Arc::clone(&self.registry), group.to_owned());
        place.write(vec![put_group(group, &entry.record())], move |outcome| {
            if let Some(entry) = lock(&shared).groups.get_mut(&id)
                && entry.group.generation() == generation
            {
                entry.saved = if outcome.is_ok() { Saved::Yes } else { Saved::No };
            }
            // The members that waited may have gone.
            let _ = done.send(Some(outcome));
        });
        written
    }

    /// As `save`, where nothing depends on it: until it is saved, every join and sweep tries again.
    async fn save_or_warn(&self, group: &str) {
        if let Err(error) = self.save(group).await {
            tracing::warn!(group, %error, "the generation of the group was not written");
        }
    }

    /// Plans changes under the lock, writes them, applies them under the lock.
    async fn write<A>(
        &self,
        plan: impl FnOnce(&mut Registry) -> Result<(Vec<Change>, A), ResponseError>,
    ) -> Result<(), ResponseError>
    where
        A: FnOnce(&mut Registry) + Send + 'static,
    {
        let place = self.journal.reserve().await?;
        let written = {
            let mut registry = self.lock();
            let (changes, apply) = plan(&mut registry)?;
            let shared = Arc::clone(&self.registry);
            place.write(changes, move |written| {
                if written.is_ok() {
                    apply(&mut lock(&shared));
                }
            })
        };
        outcome(written).await
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }
}

impl Registry {
    fn create(&mut self, group: &str, initial_delay: Duration) -> Result<(), ResponseError> {
        if self.groups.len() >= GROUPS {
            return Err(ResponseError::GroupMaxSizeReached);
        }
        self.groups.insert(group.to_owned(), new_entry(initial_delay));
        Ok(())
    }

    fn check_size(&self, more: usize) -> Result<(), ResponseError> {
        let fits = self.size_bytes + more <= GROUP_METADATA_BYTES;
        if fits { Ok(()) } else { Err(ResponseError::GroupMaxSizeReached) }
    }

    fn remove_if_empty(&mut self, group: &str) {
        let is_empty = |entry: &Entry| entry.group.state() == State::Empty;
        if self.groups.get(group).is_some_and(is_empty) {
            self.groups.remove(group);
        }
    }
}

fn new_entry(initial_delay: Duration) -> Entry {
    Entry {
        group: Group::new(0, String::new(), initial_delay),
        // Nobody has been in it: its offsets age from their commit on.
        empty_since_ms: Some(0),
        saved: Saved::Yes,
        size_bytes: 0,
    }
}

/// A transition that panicked has left its group as it was or one step further, and every step is
/// a state in which the group can go on.
fn lock(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The wire's code of an outcome: 0 is success.
pub(crate) fn error_code(outcome: Result<(), ResponseError>) -> i16 {
    outcome.err().map_or(0, |error| error.code())
}

/// A copy that does not keep the whole request in memory.
pub(crate) fn own(part: &Bytes) -> Bytes {
    Bytes::copy_from_slice(part)
}
