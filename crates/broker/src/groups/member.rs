//! A member is one client instance in a group, and what it asked for.
//!
//! ```text
//!  JoinGroup ──► joining (parked) ──► in a generation ──► syncing (parked) ──► has its assignment
//! ```
//!
//! A parked request is a channel here and a waiting handler at the other end. Whoever takes the
//! channel out of the member answers it, so no request is answered twice.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::limits::NEW_MEMBER_JOIN_TIME;

/// One assignor (or other protocol) that a member can work with, and what it tells the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protocol {
    pub(crate) name: String,
    /// Opaque to the coordinator; consumers put their subscription here.
    pub(crate) metadata: Bytes,
}

/// A `JoinGroup` request.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    /// Empty for a member that has no id yet.
    pub(crate) member_id: String,
    /// The id to give to a member that has none.
    pub(crate) fresh_id: String,
    /// `group.instance.id` of a static member (KIP-345).
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) protocol_type: String,
    /// In the member's order of preference.
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    /// A dynamic member must first take an id and come back with it (KIP-394).
    pub(crate) requires_known_id: bool,
    /// The client understands `skip_assignment` (KIP-814).
    pub(crate) may_skip_assignment: bool,
}

impl Join {
    /// Memory that it would make us hold.
    pub(crate) fn size_bytes(&self) -> usize {
        let names = [&self.fresh_id, &self.client_id, &self.protocol_type];
        names.into_iter().chain(&self.instance_id).map(String::len).sum::<usize>()
            + protocols_size_bytes(&self.protocols)
    }
}

/// A member as the leader and `DescribeGroups` see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberMetadata {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) metadata: Bytes,
}

/// The answer to a `JoinGroup` that made its sender a member of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) member_id: String,
    pub(crate) generation: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) skip_assignment: bool,
    /// Everyone, for the leader; nobody, for the others.
    pub(crate) members: Vec<MemberMetadata>,
}

/// A refused `JoinGroup`. The id is the one to come back with after `MEMBER_ID_REQUIRED`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinRefused {
    pub(crate) error: ResponseError,
    pub(crate) member_id: String,
}

/// The answer to a `SyncGroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) assignment: Bytes,
}

pub(crate) type JoinAnswer = Result<Joined, JoinRefused>;
pub(crate) type SyncAnswer = Result<Synced, ResponseError>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) assignment: Bytes,
    /// Whether it has asked for its assignment in this generation.
    pub(crate) has_synced: bool,
    /// Whether it has not been in any generation yet.
    is_new: bool,
    joining: Option<oneshot::Sender<JoinAnswer>>,
    syncing: Option<oneshot::Sender<SyncAnswer>>,
    /// When the member counts as gone if nothing is heard of it.
    deadline: Instant,
}

impl Member {
    pub(crate) fn new(join: &Join, now: Instant) -> Self {
        Self {
            instance_id: join.instance_id.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            protocols: join.protocols.clone(),
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            assignment: Bytes::new(),
            has_synced: false,
            is_new: true,
            joining: None,
            syncing: None,
            deadline: now + join.session_timeout.max(NEW_MEMBER_JOIN_TIME),
        }
    }

    /// Takes over what a later `JoinGroup` of the same member says.
    pub(crate) fn update(&mut self, join: &Join) {
        self.client_id.clone_from(&join.client_id);
        self.client_host.clone_from(&join.client_host);
        self.protocols.clone_from(&join.protocols);
        self.session_timeout = join.session_timeout;
        self.rebalance_timeout = join.rebalance_timeout;
    }

    /// Starts the session time anew.
    pub(crate) fn heard_of(&mut self, now: Instant) {
        self.deadline = now + self.session_timeout;
    }

    /// When to count the member as gone. A parked request proves that it is there, except that one
    /// which never was in a generation may have gone while the group could not complete.
    pub(crate) fn expires_at(&self) -> Option<Instant> {
        let parked = self.syncing.is_some() || (self.joining.is_some() && !self.is_new);
        (!parked).then_some(self.deadline)
    }

    pub(crate) fn is_joining(&self) -> bool {
        self.joining.is_some()
    }

    pub(crate) fn is_syncing(&self) -> bool {
        self.syncing.is_some()
    }

    /// Parks a `JoinGroup`. An earlier one of the same member is a leftover of a lost connection.
    pub(crate) fn park_join(&mut self, id: &str, answer: oneshot::Sender<JoinAnswer>) {
        self.refuse_join(id, ResponseError::RebalanceInProgress);
        self.joining = Some(answer);
    }

    /// Answers a parked `JoinGroup`, if there is one, and starts the member's session.
    pub(crate) fn answer_join(&mut self, joined: Joined, now: Instant) {
        if let Some(answer) = self.joining.take() {
            // The client may have gone; its session will tell.
            let _ = answer.send(Ok(joined));
            self.is_new = false;
            self.heard_of(now);
        }
    }

    pub(crate) fn refuse_join(&mut self, id: &str, error: ResponseError) {
        if let Some(answer) = self.joining.take() {
            let _ = answer.send(Err(JoinRefused { error, member_id: id.to_owned() }));
        }
    }

    pub(crate) fn park_sync(&mut self, answer: oneshot::Sender<SyncAnswer>) {
        self.answer_sync(Err(ResponseError::RebalanceInProgress));
        self.has_synced = true;
        self.syncing = Some(answer);
    }

    pub(crate) fn answer_sync(&mut self, synced: SyncAnswer) {
        if let Some(answer) = self.syncing.take() {
            let _ = answer.send(synced);
        }
    }

    /// What this member tells about itself under a protocol.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|known| known.name == protocol);
        found.map(|known| known.metadata.clone()).unwrap_or_default()
    }

    /// What it can work with, best first.
    pub(crate) fn protocol_names(&self) -> impl Iterator<Item = &str> {
        self.protocols.iter().map(|known| known.name.as_str())
    }

    pub(crate) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|known| known.name == protocol)
    }

    /// Memory that the client made us hold.
    pub(crate) fn size_bytes(&self) -> usize {
        let names = self.client_id.len() + self.instance_id.as_ref().map_or(0, String::len);
        names + protocols_size_bytes(&self.protocols) + self.assignment.len()
    }
}

fn protocols_size_bytes(protocols: &[Protocol]) -> usize {
    protocols.iter().map(|known| known.name.len() + known.metadata.len()).sum()
}

/// The topics in a consumer's subscription: `version:i16 ‖ count:i32 ‖ (length:i16 ‖ name)* ‖ …`.
/// `None` if the bytes are something else.
pub(crate) fn subscribed_topics(metadata: &[u8]) -> Option<BTreeSet<&str>> {
    let (_version, rest) = metadata.split_first_chunk::<2>()?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let mut topics = BTreeSet::new();
    for _ in 0..i32::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let length = usize::try_from(i16::from_be_bytes(*length)).ok()?;
        let (name, after) = after.split_at_checked(length)?;
        topics.insert(std::str::from_utf8(name).ok()?);
        rest = after;
    }
    Some(topics)
}
