//! Random sequences of what can happen to a group, against what must hold after each step.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::Instant;

use super::member::{Join, JoinAnswer, Protocol, SyncAnswer};
use super::{Claim, Group, State, SyncGroup};

const CLIENTS: usize = 5;
const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
enum Step {
    Join { client: usize, metadata: u8, forgets_id: bool },
    Sync { client: usize },
    Heartbeat { client: usize },
    Leave { client: usize },
    Pass { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..CLIENTS;
    prop_oneof![
        4 => (client(), 0..2_u8, prop::bool::weighted(0.1)).prop_map(
            |(client, metadata, forgets_id)| Step::Join { client, metadata, forgets_id }
        ),
        4 => client().prop_map(|client| Step::Sync { client }),
        3 => client().prop_map(|client| Step::Heartbeat { client }),
        1 => client().prop_map(|client| Step::Leave { client }),
        2 => (1..20_u64).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

/// A client as it sees itself. The last two are static members.
#[derive(Debug, Default)]
struct Client {
    member_id: String,
    generation: i32,
    is_leader: bool,
}

struct World {
    group: Group,
    now: Instant,
    clients: Vec<Client>,
    joins: Vec<(usize, Receiver<JoinAnswer>)>,
    syncs: Vec<Receiver<SyncAnswer>>,
    /// Per generation, the leader that its members were told.
    leaders: BTreeMap<i32, String>,
    last_generation: i32,
    next_id: u32,
}

impl World {
    fn new() -> Self {
        Self {
            group: Group::new(0, String::new(), Duration::ZERO),
            now: Instant::now(),
            clients: (0..CLIENTS).map(|_| Client::default()).collect(),
            joins: Vec::new(),
            syncs: Vec::new(),
            leaders: BTreeMap::new(),
            last_generation: 0,
            next_id: 0,
        }
    }

    fn instance(client: usize) -> Option<String> {
        (client >= CLIENTS - 2).then(|| format!("instance-{client}"))
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Join { client, metadata, forgets_id } => self.join(client, metadata, forgets_id),
            Step::Sync { client } => self.sync(client),
            Step::Heartbeat { client } => {
                let instance = Self::instance(client);
                let claim = Self::claim(&self.clients[client], instance.as_deref());
                let _ = self.group.heartbeat(&claim, self.now);
            }
            Step::Leave { client } => {
                let instance = Self::instance(client);
                let id = std::mem::take(&mut self.clients[client].member_id);
                let _ = self.group.leave(&id, instance.as_deref(), self.now);
            }
            Step::Pass { seconds } => self.now += Duration::from_secs(seconds),
        }
        // The timer runs whenever something is due.
        self.group.tick(self.now);
    }

    fn claim<'a>(client: &'a Client, instance_id: Option<&'a str>) -> Claim<'a> {
        Claim { member_id: &client.member_id, instance_id, generation: client.generation }
    }

    fn join(&mut self, client: usize, metadata: u8, forgets_id: bool) {
        if forgets_id {
            self.clients[client].member_id.clear();
        }
        self.next_id += 1;
        let instance_id = Self::instance(client);
        let join = Join {
            member_id: self.clients[client].member_id.clone(),
            fresh_id: format!("member-{}", self.next_id),
            requires_known_id: instance_id.is_none(),
            instance_id,
            client_id: String::new(),
            client_host: String::new(),
            protocol_type: "consumer".into(),
            protocols: vec![Protocol {
                name: "range".into(),
                metadata: Bytes::copy_from_slice(&[metadata]),
            }],
            session_timeout: SESSION,
            rebalance_timeout: REBALANCE,
            may_skip_assignment: true,
        };
        let receiver = self.group.join(&join, self.now);
        self.joins.push((client, receiver));
    }

    fn sync(&mut self, client: usize) {
        let instance = Self::instance(client);
        let me = &self.clients[client];
        let everyone = self.group.members().keys();
        let assignments = everyone.map(|id| (id.clone(), Bytes::copy_from_slice(id.as_bytes())));
        let sync = SyncGroup {
            claim: Self::claim(me, instance.as_deref()),
            protocol_type: None,
            protocol: None,
            assignments: if me.is_leader { assignments.collect() } else { Vec::new() },
        };
        self.syncs.push(self.group.sync(sync, self.now));
    }

    /// Takes the answers that have come. One that never comes shows as a dropped channel.
    fn take_answers(&mut self) {
        let mut waiting = Vec::new();
        for (client, mut receiver) in std::mem::take(&mut self.joins) {
            match receiver.try_recv() {
                Err(TryRecvError::Empty) => waiting.push((client, receiver)),
                Err(TryRecvError::Closed) => panic!("a JoinGroup was never answered"),
                Ok(Err(refused)) => self.clients[client].member_id = refused.member_id,
                Ok(Ok(joined)) => {
                    let leader = self.leaders.entry(joined.generation);
                    let leader = leader.or_insert_with(|| joined.leader.clone());
                    // A static leader that restarts goes on leading under its new id.
                    if joined.skip_assignment {
                        leader.clone_from(&joined.leader);
                    }
                    assert_eq!(*leader, joined.leader, "two leaders in one generation");
                    let is_leader = joined.member_id == joined.leader;
                    assert_eq!(joined.members.is_empty(), !is_leader);
                    assert!(joined.generation >= self.clients[client].generation);
                    self.clients[client] = Client {
                        member_id: joined.member_id,
                        generation: joined.generation,
                        is_leader,
                    };
                }
            }
        }
        self.joins = waiting;
        self.syncs.retain_mut(|receiver| match receiver.try_recv() {
            Err(TryRecvError::Empty) => true,
            Err(TryRecvError::Closed) => panic!("a SyncGroup was never answered"),
            Ok(_) => false,
        });
    }

    fn check(&mut self) {
        let group = &self.group;
        assert!(group.generation() >= self.last_generation, "a generation went back");
        self.last_generation = group.generation();
        let members = group.members();
        match group.state() {
            State::Empty => assert!(members.is_empty()),
            State::PreparingRebalance => {
                assert!(members.values().all(|member| !member.is_syncing()));
            }
            State::CompletingRebalance => {
                assert!(members.values().all(|member| !member.is_joining()));
                assert!(members.contains_key(&group.leader), "no leader");
            }
            State::Stable => {
                let parked =
                    |member: &super::member::Member| member.is_joining() || member.is_syncing();
                assert!(!members.values().any(parked), "parked in a stable group");
                assert!(members.contains_key(&group.leader), "no leader");
            }
        }
        let static_members = members.values().filter(|member| member.instance_id.is_some());
        assert_eq!(static_members.count(), group.instances.len());
        let parked = members.values().filter(|member| member.is_joining()).count();
        assert_eq!(parked, self.joins.len(), "parked joins and waiting clients differ");
        let parked = members.values().filter(|member| member.is_syncing()).count();
        assert_eq!(parked, self.syncs.len(), "parked syncs and waiting clients differ");
        if !members.is_empty() {
            assert!(group.next_deadline().is_some(), "nothing would ever expire");
        }
    }
}

proptest! {
    #[test]
    fn every_sequence_keeps_the_group_whole(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in &steps {
            world.apply(step);
            world.take_answers();
            world.check();
        }
        // Left alone, every group empties, and every request has had its answer.
        for _ in 0..100 {
            world.apply(&Step::Pass { seconds: 20 });
            world.take_answers();
            world.check();
        }
        prop_assert_eq!(world.group.state(), State::Empty);
        prop_assert!(world.joins.is_empty() && world.syncs.is_empty());
    }
}
