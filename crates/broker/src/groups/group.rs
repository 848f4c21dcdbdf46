//! A group is a set of members that share out work, in numbered generations.
//!
//! ```text
//!            join                       all joined, or time is up
//!  Empty ──────────► PreparingRebalance ─────────────────────────► CompletingRebalance
//!    ▲                 ▲    │ nobody left           join, leave, expiry │   │ the leader's
//!    └─────────────────┼────┘                 ◄────────────────────────┘   ▼ SyncGroup
//!                      └─────────────────── join, leave, expiry ───────── Stable
//! ```
//!
//! This is Apache Kafka's classic protocol: members join, the coordinator picks a protocol that
//! all support and a leader, the leader sends everyone's assignment. The state machine does no IO
//! and takes the time as an argument; `rebalance` holds the transitions, this file the requests.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::member::{
    Join, JoinAnswer, JoinRefused, Joined, Member, SyncAnswer, Synced, subscribed_topics,
};
use crate::limits::{GROUP_MEMBERS, MEMBER_PROTOCOLS};

/// Where the group is in the picture above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum State {
    #[default]
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl State {
    /// The name that Kafka's tools show.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(super) state: State,
    pub(super) generation: i32,
    /// `consumer` for consumers. Kept when the group empties, as Kafka does.
    pub(super) protocol_type: String,
    pub(super) protocol: String,
    pub(super) leader: String,
    pub(super) members: BTreeMap<String, Member>,
    /// Static members: instance id to member id.
    pub(super) instances: HashMap<String, String>,
    /// Ids given out with `MEMBER_ID_REQUIRED`, and until when they are waited for.
    pub(super) pending: HashMap<String, Instant>,
    /// In `PreparingRebalance`: when the rebalance goes on without those who have not joined.
    pub(super) join_deadline: Option<Instant>,
    /// The join phase lasts until its deadline even if everyone has joined.
    pub(super) waits_for_more: bool,
    /// After the join phase: when those who have not asked for their assignment are dropped.
    pub(super) sync_deadline: Option<Instant>,
    pub(super) initial_delay: Duration,
}

/// What a member says about itself in a request after `JoinGroup`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
    pub(crate) generation: i32,
}

/// A `SyncGroup` request.
#[derive(Debug)]
pub(crate) struct SyncGroup<'a> {
    pub(crate) claim: Claim<'a>,
    pub(crate) protocol_type: Option<&'a str>,
    pub(crate) protocol: Option<&'a str>,
    /// The leader's: member id and assignment.
    pub(crate) assignments: Vec<(String, Bytes)>,
}

enum Admission {
    Add(String),
    Rejoin,
    Replace { old: String },
}

impl Group {
    /// `initial_delay`: how long the first rebalance of an empty group waits for further members.
    pub(crate) fn new(generation: i32, protocol_type: String, initial_delay: Duration) -> Self {
        Self { generation, protocol_type, initial_delay, ..Self::default() }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    pub(crate) fn protocol_type(&self) -> &str {
        &self.protocol_type
    }

    pub(crate) fn protocol(&self) -> &str {
        &self.protocol
    }

    pub(crate) fn members(&self) -> &BTreeMap<String, Member> {
        &self.members
    }

    /// Memory that clients made us hold.
    pub(crate) fn size_bytes(&self) -> usize {
        let ids = self.members.keys().chain(self.pending.keys()).map(String::len).sum::<usize>();
        ids + self.members.values().map(Member::size_bytes).sum::<usize>()
    }

    /// The topics that members are subscribed to; `None` if the members are not consumers.
    pub(crate) fn subscriptions(&self) -> Option<BTreeSet<String>> {
        if self.protocol_type != "consumer" {
            return None;
        }
        let mut topics = BTreeSet::new();
        for protocol in self.members.values().flat_map(|member| &member.protocols) {
            topics.extend(subscribed_topics(&protocol.metadata)?.into_iter().map(str::to_owned));
        }
        Some(topics)
    }

    /// `JoinGroup`. The answer comes through the receiver, now or when the join phase ends.
    pub(crate) fn join(&mut self, join: &Join, now: Instant) -> oneshot::Receiver<JoinAnswer> {
        let (answer, receiver) = oneshot::channel();
        match self.admit(join) {
            Err(error) => {
                let mut member_id = join.member_id.clone();
                if error == ResponseError::MemberIdRequired {
                    member_id.clone_from(&join.fresh_id);
                    self.pending.insert(join.fresh_id.clone(), now + join.session_timeout);
                }
                let _ = answer.send(Err(JoinRefused { error, member_id }));
            }
            Ok(Admission::Add(id)) => self.add(id, join, answer, now),
            Ok(Admission::Rejoin) => self.rejoin(join, answer, now),
            Ok(Admission::Replace { old }) => self.replace(&old, join, answer, now),
        }
        receiver
    }

    fn admit(&self, join: &Join) -> Result<Admission, ResponseError> {
        let id = join.member_id.as_str();
        let known_instance = join.instance_id.as_ref().and_then(|name| self.instances.get(name));
        let is_new = id.is_empty() && known_instance.is_none();
        if is_new && self.members.len() + self.pending.len() >= GROUP_MEMBERS {
            return Err(ResponseError::GroupMaxSizeReached);
        }
        if !self.is_consistent(join) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        if id.is_empty() {
            return match (known_instance, &join.instance_id) {
                (Some(old), _) => Ok(Admission::Replace { old: old.clone() }),
                (None, None) if join.requires_known_id => Err(ResponseError::MemberIdRequired),
                _ => Ok(Admission::Add(join.fresh_id.clone())),
            };
        }
        if self.pending.contains_key(id) && join.instance_id.is_none() {
            return Ok(Admission::Add(id.to_owned()));
        }
        self.check_member(id, join.instance_id.as_deref())?;
        Ok(Admission::Rejoin)
    }

    /// Whether a generation with this member could have a protocol.
    fn is_consistent(&self, join: &Join) -> bool {
        if join.protocols.len() > MEMBER_PROTOCOLS {
            return false;
        }
        if self.members.is_empty() {
            return !join.protocol_type.is_empty() && !join.protocols.is_empty();
        }
        let all_support = |name: &str| self.members.values().all(|member| member.supports(name));
        join.protocol_type == self.protocol_type
            && join.protocols.iter().any(|protocol| all_support(&protocol.name))
    }

    fn add(&mut self, id: String, join: &Join, answer: oneshot::Sender<JoinAnswer>, now: Instant) {
        self.pending.remove(&id);
        if self.members.is_empty() {
            self.protocol_type.clone_from(&join.protocol_type);
        }
        if let Some(instance) = &join.instance_id {
            self.instances.insert(instance.clone(), id.clone());
        }
        let mut member = Member::new(join, now);
        member.park_join(&id, answer);
        self.members.insert(id, member);
        self.rebalance(now);
    }

    fn rejoin(&mut self, join: &Join, answer: oneshot::Sender<JoinAnswer>, now: Instant) {
        let id = &join.member_id;
        let is_leader = *id == self.leader;
        let Some(member) = self.members.get_mut(id) else { return };
        let unchanged = member.protocols == join.protocols;
        member.update(join);
        member.park_join(id, answer);
        // A member may have missed its answer and ask again. Only the leader makes a rebalance out
        // of that: it does so when what it watches (the topics' partitions) has changed.
        let repeats = match self.state {
            State::CompletingRebalance => unchanged,
            State::Stable => unchanged && !is_leader,
            State::Empty | State::PreparingRebalance => false,
        };
        if repeats {
            let joined = self.joined(id, is_leader);
            if let Some(member) = self.members.get_mut(id) {
                member.answer_join(joined, now);
            }
        } else {
            self.rebalance(now);
        }
    }

    /// The answer to a member of the present generation.
    pub(super) fn joined(&self, id: &str, with_members: bool) -> Joined {
        Joined {
            member_id: id.to_owned(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            skip_assignment: false,
            members: if with_members { self.metadata() } else { Vec::new() },
        }
    }

    /// `SyncGroup`. The answer comes through the receiver, now or when the leader has assigned.
    pub(crate) fn sync(
        &mut self,
        sync: SyncGroup<'_>,
        now: Instant,
    ) -> oneshot::Receiver<SyncAnswer> {
        let (answer, receiver) = oneshot::channel();
        if let Err(error) = self.check_sync(&sync) {
            let _ = answer.send(Err(error));
            return receiver;
        }
        let id = sync.claim.member_id;
        if let Some(member) = self.members.get_mut(id) {
            member.park_sync(answer);
            member.heard_of(now);
        }
        if self.state == State::Stable {
            self.give_assignment(id, now);
        } else if id == self.leader {
            self.assign(sync.assignments, now);
        }
        receiver
    }

    fn check_sync(&self, sync: &SyncGroup<'_>) -> Result<(), ResponseError> {
        self.check_claim(&sync.claim)?;
        let differs = |said: Option<&str>, is: &str| said.is_some_and(|said| said != is);
        if differs(sync.protocol_type, &self.protocol_type)
            || differs(sync.protocol, &self.protocol)
        {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        match self.state {
            State::Empty => Err(ResponseError::UnknownMemberId),
            State::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }

    fn assign(&mut self, assignments: Vec<(String, Bytes)>, now: Instant) {
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.state = State::Stable;
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            self.give_assignment(&id, now);
        }
    }

    /// Answers a parked `SyncGroup`, if the member has one.
    fn give_assignment(&mut self, id: &str, now: Instant) {
        let Some(member) = self.members.get_mut(id) else { return };
        if member.is_syncing() {
            member.heard_of(now);
            let assignment = member.assignment.clone();
            member.answer_sync(Ok(Synced {
                protocol_type: self.protocol_type.clone(),
                protocol: self.protocol.clone(),
                assignment,
            }));
        }
        if self.members.values().all(|member| member.has_synced) {
            self.sync_deadline = None;
        }
    }

    /// `Heartbeat`.
    pub(crate) fn heartbeat(
        &mut self,
        claim: &Claim<'_>,
        now: Instant,
    ) -> Result<(), ResponseError> {
        self.check_claim(claim)?;
        if let Some(member) = self.members.get_mut(claim.member_id) {
            member.heard_of(now);
        }
        match self.state {
            State::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// `LeaveGroup` of one member. A static member may be named by its instance id alone.
    pub(crate) fn leave(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        now: Instant,
    ) -> Result<(), ResponseError> {
        if self.pending.remove(member_id).is_some() {
            self.complete_join_if_all_are_there(now);
            return Ok(());
        }
        let id = match instance_id {
            Some(instance) if member_id.is_empty() => {
                self.instances.get(instance).cloned().ok_or(ResponseError::UnknownMemberId)?
            }
            _ => member_id.to_owned(),
        };
        self.check_member(&id, instance_id)?;
        self.remove(&id, now);
        Ok(())
    }

    /// Whether offsets may be committed with this claim. Generation -1 and no member id is a
    /// client without group membership, which is welcome while there are no members.
    pub(crate) fn check_commit(
        &mut self,
        claim: &Claim<'_>,
        is_transactional: bool,
        now: Instant,
    ) -> Result<(), ResponseError> {
        if claim.generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        let is_anonymous =
            claim.generation < 0 && claim.member_id.is_empty() && claim.instance_id.is_none();
        if is_anonymous {
            // Older transactional producers do not say in whose name they commit.
            return if is_transactional { Ok(()) } else { Err(ResponseError::UnknownMemberId) };
        }
        self.check_claim(claim)?;
        if let Some(member) = self.members.get_mut(claim.member_id) {
            member.heard_of(now);
        }
        if !is_transactional && self.state == State::CompletingRebalance {
            return Err(ResponseError::RebalanceInProgress);
        }
        Ok(())
    }

    fn check_claim(&self, claim: &Claim<'_>) -> Result<(), ResponseError> {
        self.check_member(claim.member_id, claim.instance_id)?;
        if claim.generation == self.generation {
            Ok(())
        } else {
            Err(ResponseError::IllegalGeneration)
        }
    }

    fn check_member(&self, id: &str, instance_id: Option<&str>) -> Result<(), ResponseError> {
        if let Some(instance) = instance_id {
            let holder = self.instances.get(instance).ok_or(ResponseError::UnknownMemberId)?;
            if holder != id {
                return Err(ResponseError::FencedInstanceId);
            }
        }
        if self.members.contains_key(id) { Ok(()) } else { Err(ResponseError::UnknownMemberId) }
    }
}
