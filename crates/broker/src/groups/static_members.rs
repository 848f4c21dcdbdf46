//! A static member has a name of its own, its instance id, and may restart under it (KIP-345).
//!
//! It keeps its place and its assignment for as long as its session lasts, so a rolling restart
//! moves no partition. Whoever comes with the name takes the place; the one before is fenced.

use kafka_protocol::ResponseError;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::group::{Group, State};
use super::member::{Join, JoinAnswer, subscribed_topics};

impl Group {
    /// A static member has restarted: it takes the place of its former self.
    pub(super) fn replace(
        &mut self,
        old: &str,
        join: &Join,
        answer: oneshot::Sender<JoinAnswer>,
        now: Instant,
    ) {
        let Some(mut member) = self.members.remove(old) else { return };
        member.refuse_join(old, ResponseError::FencedInstanceId);
        member.answer_sync(Err(ResponseError::FencedInstanceId));
        let before = member.metadata(&self.protocol);
        member.update(join);
        let after = member.metadata(&self.protocol);
        let id = join.fresh_id.clone();
        member.park_join(&id, answer);
        self.members.insert(id.clone(), member);
        if let Some(instance) = &join.instance_id {
            self.instances.insert(instance.clone(), id.clone());
        }
        let is_leader = self.leader == old;
        if is_leader {
            self.leader.clone_from(&id);
        }
        if self.state != State::Stable
            || self.choose_protocol() != self.protocol
            || !same_interest(&before, &after)
        {
            self.rebalance(now);
            return;
        }
        // Clients that cannot skip the assignment must not take themselves for the leader, or
        // they would assign although nobody else has joined.
        let mut joined = self.joined(&id, is_leader && join.may_skip_assignment);
        joined.skip_assignment = is_leader && join.may_skip_assignment;
        if is_leader && !join.may_skip_assignment {
            old.clone_into(&mut joined.leader);
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.answer_join(joined, now);
        }
    }
}

/// Whether two metadata ask for the same. A restarted consumer subscribes to the same topics but
/// no longer says which partitions it owned, so the bytes of its subscription differ.
fn same_interest(before: &[u8], after: &[u8]) -> bool {
    before == after
        || matches!((subscribed_topics(before), subscribed_topics(after)), (Some(a), Some(b)) if a == b)
}
