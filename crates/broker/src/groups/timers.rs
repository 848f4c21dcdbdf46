//! Timers: what happens in groups when nobody says anything.

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::offsets::{Committed, OffsetKey, delete_group};
use super::{Group, Groups, Registry, Saved, State};
use crate::limits::{GROUP_SWEEP, OFFSETS_RETENTION_MS};
use crate::time::now_ms;

impl Groups {
    /// Expires members, ends join phases, drops old offsets, until `stop`.
    pub(crate) async fn run_timers(self, stop: CancellationToken) {
        let mut sweep = tokio::time::interval(GROUP_SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.arm();
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.earlier.notified() => {}
                () = until(due) => self.tick().await,
                _ = sweep.tick() => self.expire(now_ms()).await,
            }
        }
    }

    /// Looks up when something is due next.
    fn arm(&self) -> Option<Instant> {
        let mut registry = self.lock();
        let due = registry.groups.values().filter_map(|entry| entry.group.next_deadline()).min();
        registry.armed = due;
        due
    }

    async fn tick(&self) {
        let now = Instant::now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let mut ticked = Vec::new();
        {
            let mut registry = self.lock();
            let due = registry.groups.iter().filter(|(_, it)| is_due(it.group.next_deadline()));
            ticked.extend(due.map(|(id, _)| id.clone()));
            for id in &ticked {
                self.act(&mut registry, id, Group::tick);
            }
        }
        for id in &ticked {
            self.save_or_warn(id).await;
        }
    }

    /// Drops the offsets of groups that have been empty for the time of retention, and groups
    /// that have nothing left.
    pub(super) async fn expire(&self, now_ms: i64) {
        let unsaved = self.lock().unsaved_groups();
        for id in &unsaved {
            self.save_or_warn(id).await;
        }
        let dropped = self.forget(|registry, key, at| registry.is_expired(key, at, now_ms)).await;
        let removed = self.write(|registry| {
            let bare = registry.bare_groups();
            let changes = bare.iter().map(|id| delete_group(id)).collect();
            let apply = move |registry: &mut Registry| {
                for id in &bare {
                    registry.remove_if_empty(id);
                }
            };
            Ok((changes, apply))
        });
        if let Err(error) = dropped.and(removed.await) {
            tracing::warn!(%error, "what is expired in groups was not dropped");
        }
    }
}

impl Registry {
    fn is_expired(&self, key: &OffsetKey, committed: &Committed, now_ms: i64) -> bool {
        let empty_since_ms = self.groups.get(&key.group).map(|entry| entry.empty_since_ms);
        // `None` outside: a group that nobody knows; inside: a group with members.
        empty_since_ms.is_none_or(|since_ms| {
            let used_ms = since_ms.map(|since_ms| since_ms.max(committed.at_ms));
            used_ms.is_some_and(|used_ms| used_ms.saturating_add(OFFSETS_RETENTION_MS) <= now_ms)
        })
    }

    /// After a start: groups that had members when the broker went down.
    fn unsaved_groups(&self) -> Vec<String> {
        let unsaved = self.groups.iter().filter(|(_, entry)| matches!(entry.saved, Saved::No));
        unsaved.map(|(id, _)| id.clone()).collect()
    }

    /// Groups without members, promised ids and offsets.
    fn bare_groups(&self) -> Vec<String> {
        let has_offsets = |id: &str| {
            let pending = self.offsets.pending.values().flat_map(|offsets| offsets.keys());
            self.offsets.of_group(id).next().is_some()
                || pending.into_iter().any(|key| key.group == id)
        };
        let bare = self.groups.iter().filter(|(id, entry)| {
            entry.group.state() == State::Empty
                && entry.group.next_deadline().is_none()
                && !has_offsets(id)
        });
        bare.map(|(id, _)| id.clone()).collect()
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
