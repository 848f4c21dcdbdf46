//! Timers: what happens in groups when nobody says anything.

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::offsets::{OffsetKey, delete_group};
use super::{Group, Groups, Registry, State};
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
            self.save(id).await;
        }
    }

    /// Drops the offsets of groups that have been empty for the time of retention, and groups
    /// that have nothing left.
    pub(super) async fn expire(&self, now_ms: i64) {
        let old = self.lock().expired_offsets(now_ms);
        if let Err(error) = self.forget(old).await {
            tracing::warn!(%error, "expired offsets were not dropped");
            return;
        }
        let gone = self.lock().bare_groups();
        if gone.is_empty() {
            return;
        }
        let plan = |_: &mut Registry| Ok(gone.iter().map(|id| delete_group(id)).collect());
        let ids = gone.clone();
        let removed = self.write(plan, move |registry| {
            for id in &ids {
                registry.remove_if_empty(id);
            }
        });
        if let Err(error) = removed.await {
            tracing::warn!(%error, "empty groups were not dropped");
        }
    }
}

impl Registry {
    fn expired_offsets(&self, now_ms: i64) -> Vec<OffsetKey> {
        let is_old = |since_ms: i64| since_ms.saturating_add(OFFSETS_RETENTION_MS) <= now_ms;
        let expired = self.offsets.committed.iter().filter(|(key, at)| {
            let empty_since_ms = self.groups.get(&key.group).map(|entry| entry.empty_since_ms);
            // `None` outside: a group that nobody knows; inside: a group with members.
            empty_since_ms.is_none_or(|since_ms| {
                since_ms.is_some_and(|since_ms| is_old(since_ms.max(at.at_ms)))
            })
        });
        expired.map(|(key, _)| key.clone()).collect()
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
