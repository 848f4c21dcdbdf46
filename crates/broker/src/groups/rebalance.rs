//! A rebalance is the way of a group from one generation to the next.
//!
//! It starts with any change of the members, waits for all of them to join (up to the longest
//! rebalance time-out among them), and ends when the leader's assignment is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::group::{Group, State};
use super::member::{Member, MemberMetadata};
use crate::limits::REBALANCE_TIME_MIN;

impl Group {
    /// Starts a rebalance unless one is in its join phase, and ends that phase if it can.
    pub(super) fn rebalance(&mut self, now: Instant) {
        if self.state != State::PreparingRebalance {
            for member in self.members.values_mut() {
                member.answer_sync(Err(ResponseError::RebalanceInProgress));
            }
            self.waits_for_more = self.state == State::Empty && !self.initial_delay.is_zero();
            let wait =
                if self.waits_for_more { self.initial_delay } else { self.rebalance_timeout() };
            self.state = State::PreparingRebalance;
            self.join_deadline = Some(now + wait);
            self.sync_deadline = None;
        }
        self.complete_join_if_all_are_there(now);
    }

    pub(super) fn complete_join_if_all_are_there(&mut self, now: Instant) {
        if self.state == State::PreparingRebalance
            && !self.waits_for_more
            && self.pending.is_empty()
            && self.members.values().all(Member::is_joining)
        {
            self.complete_join(now);
        }
    }

    /// Ends the join phase: those who have joined make up the next generation.
    fn complete_join(&mut self, now: Instant) {
        // Static members keep their place until their session ends: they may be restarting.
        let absent = |member: &Member| !member.is_joining() && member.instance_id.is_none();
        self.members.retain(|_, member| !absent(member));
        self.waits_for_more = false;
        let someone = self.members.iter().find(|(_, member)| member.is_joining());
        let someone = someone.map(|(id, _)| id.clone());
        if someone.is_none() && !self.members.is_empty() {
            self.join_deadline = Some(now + self.rebalance_timeout());
            return;
        }
        self.join_deadline = None;
        self.generation = self.generation.checked_add(1).unwrap_or(0);
        let Some(someone) = someone else {
            self.state = State::Empty;
            self.protocol.clear();
            self.leader.clear();
            return;
        };
        if !self.members.get(&self.leader).is_some_and(Member::is_joining) {
            self.leader = someone;
        }
        self.protocol = self.choose_protocol();
        self.state = State::CompletingRebalance;
        self.sync_deadline = Some(now + self.rebalance_timeout());
        self.answer_joins(now);
    }

    fn answer_joins(&mut self, now: Instant) {
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined(&id, id == self.leader);
            if let Some(member) = self.members.get_mut(&id) {
                // A static member that did not join has nothing to ask for; its session decides.
                member.has_synced = !member.is_joining();
                member.assignment.clear();
                member.answer_join(joined, now);
            }
        }
    }

    /// The protocol that most members prefer among those that all support. Members vote in the
    /// order of their lists; the leader's order decides between equals.
    pub(super) fn choose_protocol(&self) -> String {
        let mut members = self.members.values();
        let mut candidates: BTreeSet<&str> =
            members.next().into_iter().flat_map(Member::protocol_names).collect();
        for member in members {
            candidates.retain(|name| member.supports(name));
        }
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some(name) = member.protocol_names().find(|name| candidates.contains(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        let most = votes.values().max().copied().unwrap_or(0);
        let leader = self.members.get(&self.leader).or_else(|| self.members.values().next());
        let mut preferred = leader.into_iter().flat_map(Member::protocol_names);
        preferred.find(|name| votes.get(name) == Some(&most)).unwrap_or_default().to_owned()
    }

    /// Takes a member out and lets the others share its work.
    pub(super) fn remove(&mut self, id: &str, now: Instant) {
        let Some(mut member) = self.members.remove(id) else { return };
        // It may still be there, only too late: then it joins anew.
        member.refuse_join(id, ResponseError::UnknownMemberId);
        member.answer_sync(Err(ResponseError::UnknownMemberId));
        if let Some(instance) = member.instance_id {
            self.instances.remove(&instance);
        }
        self.rebalance(now);
    }

    /// Does what is due: members that were not heard of go, a join phase ends.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.pending.retain(|_, until| *until > now);
        let is_gone = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let sync_is_over = is_gone(self.sync_deadline);
        let gone: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| {
                is_gone(member.expires_at()) || (sync_is_over && !member.has_synced)
            })
            .map(|(id, _)| id.clone())
            .collect();
        if sync_is_over {
            self.sync_deadline = None;
        }
        for id in gone {
            self.remove(&id, now);
        }
        if self.state == State::PreparingRebalance {
            if is_gone(self.join_deadline) {
                self.complete_join(now);
            } else {
                self.complete_join_if_all_are_there(now);
            }
        }
    }

    /// When `tick` has something to do, unless something is heard before.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let members = self.members.values().filter_map(Member::expires_at);
        let phases = self.join_deadline.into_iter().chain(self.sync_deadline);
        members.chain(self.pending.values().copied()).chain(phases).min()
    }

    fn rebalance_timeout(&self) -> Duration {
        let longest = self.members.values().map(|member| member.rebalance_timeout).max();
        longest.unwrap_or_default().max(REBALANCE_TIME_MIN)
    }

    /// Every member under the present protocol.
    pub(crate) fn metadata(&self) -> Vec<MemberMetadata> {
        let describe = |(id, member): (&String, &Member)| MemberMetadata {
            member_id: id.clone(),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata(&self.protocol),
        };
        self.members.iter().map(describe).collect()
    }
}
