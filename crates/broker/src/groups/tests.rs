//! The group's transitions, one situation each. `model` tries random sequences of them.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::oneshot::Receiver;
use tokio::time::Instant;

use super::member::{Join, JoinAnswer, Joined, Protocol, SyncAnswer};
use super::{Claim, Group, State, SyncGroup};

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_mins(1);

/// A group, its clock, and short forms of its requests.
struct Scene {
    group: Group,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        Self::with_delay(Duration::ZERO)
    }

    fn with_delay(delay: Duration) -> Self {
        Self { group: Group::new(0, String::new(), delay), now: Instant::now() }
    }

    fn join(&mut self, join: &Join) -> Receiver<JoinAnswer> {
        self.group.join(join, self.now)
    }

    fn sync(&mut self, joined: &Joined, assigned: &[(&str, &str)]) -> Receiver<SyncAnswer> {
        let assign =
            |(id, part): &(&str, &str)| ((*id).to_owned(), Bytes::copy_from_slice(part.as_bytes()));
        let sync = SyncGroup {
            claim: claim(joined),
            protocol_type: None,
            protocol: None,
            assignments: assigned.iter().map(assign).collect(),
        };
        self.group.sync(sync, self.now)
    }

    fn heartbeat(&mut self, joined: &Joined) -> Result<(), ResponseError> {
        self.group.heartbeat(&claim(joined), self.now)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.group.tick(self.now);
    }

    /// Members a, b, … in a stable group; `a` leads.
    fn stable(&mut self, names: &[&str]) -> Vec<Joined> {
        let mut joined = Vec::new();
        for count in 1..=names.len() {
            let mut waiting: Vec<_> =
                names[..count].iter().map(|name| (name, dynamic(name))).collect();
            for (_, join) in &mut waiting[..count - 1] {
                join.member_id.clone_from(&join.fresh_id);
            }
            let (old, new) = waiting.split_at(count - 1);
            let new = self.join(&new[0].1);
            let old: Vec<_> = old.iter().map(|(_, join)| self.join(join)).collect();
            joined = old.into_iter().chain([new]).map(|it| done(it).unwrap()).collect();
            let parts: Vec<(&str, &str)> =
                names[..count].iter().map(|name| (*name, *name)).collect();
            let synced: Vec<_> = joined.iter().map(|it| self.sync(it, &parts)).collect();
            for (synced, name) in synced.into_iter().zip(names) {
                assert_eq!(done(synced).unwrap().assignment, name.as_bytes());
            }
        }
        assert_eq!(self.group.state(), State::Stable);
        joined
    }
}

fn claim(joined: &Joined) -> Claim<'_> {
    Claim { member_id: &joined.member_id, instance_id: None, generation: joined.generation }
}

/// A join of a client that gets the name as its member id.
fn dynamic(name: &str) -> Join {
    Join {
        member_id: String::new(),
        fresh_id: name.to_owned(),
        instance_id: None,
        client_id: name.to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        protocol_type: "consumer".to_owned(),
        protocols: vec![protocol("range", b"r"), protocol("roundrobin", b"rr")],
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        requires_known_id: false,
        may_skip_assignment: true,
    }
}

fn of_instance(instance: &str, fresh_id: &str) -> Join {
    Join { instance_id: Some(instance.to_owned()), ..dynamic(fresh_id) }
}

fn known(mut join: Join) -> Join {
    join.member_id.clone_from(&join.fresh_id);
    join
}

fn protocol(name: &str, metadata: &'static [u8]) -> Protocol {
    Protocol { name: name.to_owned(), metadata: Bytes::from_static(metadata) }
}

/// The answer that must be there by now.
fn done<T>(mut receiver: Receiver<T>) -> T {
    receiver.try_recv().expect("the request must have been answered")
}

fn refused(receiver: Receiver<JoinAnswer>) -> ResponseError {
    done(receiver).unwrap_err().error
}

#[test]
fn a_lone_member_leads_and_gets_what_it_assigns() {
    let mut scene = Scene::new();
    let joined = done(scene.join(&dynamic("a"))).unwrap();
    assert_eq!((joined.generation, joined.leader.as_str()), (1, "a"));
    assert_eq!(joined.protocol, "range");
    assert_eq!(joined.members.len(), 1);
    let synced = done(scene.sync(&joined, &[("a", "part")])).unwrap();
    assert_eq!(synced.assignment, "part");
    assert_eq!(scene.group.state(), State::Stable);
    assert_eq!(scene.heartbeat(&joined), Ok(()));
}

#[test]
fn a_newcomer_makes_the_others_join_again() {
    let mut scene = Scene::new();
    let first = scene.stable(&["a"]).remove(0);
    let mut newcomer = scene.join(&dynamic("b"));
    assert!(newcomer.try_recv().is_err());
    assert_eq!(scene.heartbeat(&first), Err(ResponseError::RebalanceInProgress));
    assert_eq!(done(scene.sync(&first, &[])), Err(ResponseError::RebalanceInProgress));
    let leader = done(scene.join(&known(dynamic("a")))).unwrap();
    let follower = done(newcomer).unwrap();
    assert_eq!((leader.generation, follower.generation), (2, 2));
    assert_eq!((leader.members.len(), follower.members.len()), (2, 0));
    let waiting = scene.sync(&follower, &[]);
    assert_eq!(done(scene.sync(&leader, &[("b", "x")])).unwrap().assignment, "");
    assert_eq!(done(waiting).unwrap().assignment, "x");
    assert_eq!(scene.heartbeat(&first), Err(ResponseError::IllegalGeneration));
}

#[test]
fn a_dynamic_member_comes_back_with_the_id_it_got() {
    let mut scene = Scene::new();
    let first = Join { requires_known_id: true, ..dynamic("a") };
    let answer = done(scene.join(&first)).unwrap_err();
    assert_eq!(answer.error, ResponseError::MemberIdRequired);
    assert_eq!(answer.member_id, "a");
    assert_eq!(done(scene.join(&known(first))).unwrap().member_id, "a");
    assert_eq!(refused(scene.join(&known(dynamic("z")))), ResponseError::UnknownMemberId);
}

#[test]
fn a_promised_id_holds_a_rebalance_up_until_it_expires() {
    let mut scene = Scene::new();
    scene.stable(&["a"]);
    done(scene.join(&Join { requires_known_id: true, ..dynamic("b") })).unwrap_err();
    let mut again =
        scene.join(&known(Join { protocols: vec![protocol("range", b"new")], ..dynamic("a") }));
    assert!(again.try_recv().is_err());
    scene.pass(SESSION);
    assert_eq!(done(again).unwrap().generation, 2);
}

#[test]
fn who_is_not_heard_of_is_gone() {
    let mut scene = Scene::new();
    let joined = scene.stable(&["a", "b"]);
    scene.pass(SESSION / 2);
    assert_eq!(scene.heartbeat(&joined[0]), Ok(()));
    assert_eq!(scene.group.next_deadline(), Some(scene.now + SESSION / 2));
    scene.pass(SESSION / 2);
    assert_eq!(scene.heartbeat(&joined[1]), Err(ResponseError::UnknownMemberId));
    assert_eq!(scene.heartbeat(&joined[0]), Err(ResponseError::RebalanceInProgress));
    assert_eq!(done(scene.join(&known(dynamic("a")))).unwrap().members.len(), 1);
    scene.pass(SESSION);
    assert_eq!(scene.group.state(), State::Empty);
    assert_eq!(scene.group.next_deadline(), None);
}

#[test]
fn a_rebalance_goes_on_without_those_who_do_not_join() {
    let mut scene = Scene::new();
    let joined = scene.stable(&["a", "b"]);
    let newcomer = scene.join(&dynamic("c"));
    for _ in 0..REBALANCE.as_secs() / SESSION.as_secs() * 2 {
        assert_eq!(scene.heartbeat(&joined[0]), Err(ResponseError::RebalanceInProgress));
        assert_eq!(scene.heartbeat(&joined[1]), Err(ResponseError::RebalanceInProgress));
        scene.pass(SESSION / 2);
    }
    let answer = done(newcomer).unwrap();
    assert_eq!((answer.leader.as_str(), answer.members.len()), ("c", 1));
    assert_eq!(scene.heartbeat(&joined[0]), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_leader_that_does_not_assign_is_dropped() {
    let mut scene = Scene::new();
    scene.stable(&["a"]);
    let newcomer = scene.join(&dynamic("b"));
    let leader = done(scene.join(&known(dynamic("a")))).unwrap();
    let follower = done(newcomer).unwrap();
    let waiting = scene.sync(&follower, &[]);
    for _ in 0..REBALANCE.as_secs() / SESSION.as_secs() * 2 {
        assert_eq!(scene.heartbeat(&leader), Ok(()));
        scene.pass(SESSION / 2);
    }
    assert_eq!(done(waiting), Err(ResponseError::RebalanceInProgress));
    assert_eq!(done(scene.join(&known(dynamic("b")))).unwrap().leader, "b");
}

#[test]
fn the_first_rebalance_waits_for_more_members() {
    let mut scene = Scene::with_delay(Duration::from_secs(3));
    let first = scene.join(&dynamic("a"));
    scene.pass(Duration::from_secs(1));
    let second = scene.join(&dynamic("b"));
    scene.pass(Duration::from_secs(2));
    assert_eq!(done(first).unwrap().generation, 1);
    assert_eq!(done(second).unwrap().generation, 1);
}

#[test]
fn a_restarted_static_member_takes_its_place_without_a_rebalance() {
    let mut scene = Scene::new();
    let old = done(scene.join(&of_instance("i", "old"))).unwrap();
    done(scene.sync(&old, &[("old", "part")])).unwrap();
    let new = done(scene.join(&of_instance("i", "new"))).unwrap();
    assert_eq!((new.generation, new.member_id.as_str()), (1, "new"));
    // It leads, and knows that there is nothing to assign.
    assert_eq!((new.leader.as_str(), new.skip_assignment, new.members.len()), ("new", true, 1));
    assert_eq!(done(scene.sync(&new, &[])).unwrap().assignment, "part");
    let fenced = Claim { instance_id: Some("i"), ..claim(&old) };
    let outcome = scene.group.heartbeat(&fenced, scene.now);
    assert_eq!(outcome, Err(ResponseError::FencedInstanceId));
    assert_eq!(
        refused(scene.join(&known(of_instance("i", "old")))),
        ResponseError::FencedInstanceId
    );
}

#[test]
fn an_old_client_that_restarts_as_static_leader_does_not_assign() {
    let mut scene = Scene::new();
    let old = done(scene.join(&of_instance("i", "old"))).unwrap();
    done(scene.sync(&old, &[("old", "part")])).unwrap();
    let join = Join { may_skip_assignment: false, ..of_instance("i", "new") };
    let new = done(scene.join(&join)).unwrap();
    assert!(!new.skip_assignment);
    assert_eq!((new.leader.as_str(), new.members.len()), ("old", 0));
}

#[test]
fn a_restarted_static_member_with_other_topics_causes_a_rebalance() {
    let mut scene = Scene::new();
    let old = done(scene.join(&of_instance("i", "old"))).unwrap();
    done(scene.sync(&old, &[("old", "part")])).unwrap();
    let protocols = vec![protocol("range", b"\0\0\0\0\0\x01\0\x01t")];
    let new = done(scene.join(&Join { protocols, ..of_instance("i", "new") })).unwrap();
    assert_eq!(new.generation, 2);
}

#[test]
fn static_members_leave_by_their_instance_id() {
    let mut scene = Scene::new();
    done(scene.join(&of_instance("i", "a"))).unwrap();
    let leave = |scene: &mut Scene, id: &str, instance| scene.group.leave(id, instance, scene.now);
    assert_eq!(leave(&mut scene, "", Some("x")), Err(ResponseError::UnknownMemberId));
    assert_eq!(leave(&mut scene, "z", Some("i")), Err(ResponseError::FencedInstanceId));
    assert_eq!(leave(&mut scene, "", Some("i")), Ok(()));
    assert_eq!(leave(&mut scene, "a", None), Err(ResponseError::UnknownMemberId));
    assert_eq!(scene.group.state(), State::Empty);
}

#[test]
fn members_agree_on_a_protocol() {
    let mut scene = Scene::new();
    scene.stable(&["a"]);
    let other = Join { protocols: vec![protocol("sticky", b"")], ..dynamic("b") };
    assert_eq!(refused(scene.join(&other)), ResponseError::InconsistentGroupProtocol);
    let other = Join { protocol_type: "connect".into(), ..dynamic("b") };
    assert_eq!(refused(scene.join(&other)), ResponseError::InconsistentGroupProtocol);
    let one = Join { protocols: vec![protocol("roundrobin", b"")], ..dynamic("b") };
    let newcomer = scene.join(&one);
    assert_eq!(done(scene.join(&known(dynamic("a")))).unwrap().protocol, "roundrobin");
    assert_eq!(done(newcomer).unwrap().protocol, "roundrobin");
}

#[test]
fn only_members_of_the_generation_commit() {
    let mut scene = Scene::new();
    let nobody = Claim { member_id: "", instance_id: None, generation: -1 };
    assert_eq!(scene.group.check_commit(&nobody, false, scene.now), Ok(()));
    let joined = done(scene.join(&dynamic("a"))).unwrap();
    let check = |scene: &mut Scene, claim: &Claim<'_>, is_transactional| {
        scene.group.check_commit(claim, is_transactional, scene.now)
    };
    let member = claim(&joined);
    assert_eq!(check(&mut scene, &member, false), Err(ResponseError::RebalanceInProgress));
    assert_eq!(check(&mut scene, &member, true), Ok(()));
    assert_eq!(check(&mut scene, &nobody, false), Err(ResponseError::UnknownMemberId));
    assert_eq!(check(&mut scene, &nobody, true), Ok(()));
    done(scene.sync(&joined, &[])).unwrap();
    assert_eq!(check(&mut scene, &member, false), Ok(()));
    let old = Claim { generation: 0, ..member };
    assert_eq!(check(&mut scene, &old, false), Err(ResponseError::IllegalGeneration));
}

#[test]
fn a_repeated_join_gets_the_present_generation() {
    let mut scene = Scene::new();
    let joined = scene.stable(&["a", "b"]);
    assert_eq!(done(scene.join(&known(dynamic("b")))).unwrap(), joined[1]);
    assert_eq!(scene.group.state(), State::Stable);
    // The leader asks again when what it watches has changed.
    let mut again = scene.join(&known(dynamic("a")));
    assert!(again.try_recv().is_err());
    assert_eq!(scene.heartbeat(&joined[1]), Err(ResponseError::RebalanceInProgress));
}

#[test]
fn absent_static_members_are_not_looked_for_without_pause() {
    let mut scene = Scene::new();
    let hasty = |join| Join { rebalance_timeout: Duration::ZERO, ..join };
    let kept = done(scene.join(&hasty(of_instance("i", "a")))).unwrap();
    done(scene.sync(&kept, &[("a", "all")])).unwrap();
    let mut waiting = scene.join(&hasty(dynamic("b")));
    scene.group.leave("b", None, scene.now).unwrap();
    assert!(waiting.try_recv().unwrap().is_err());
    scene.pass(Duration::from_secs(2));
    assert_eq!(scene.group.state(), State::PreparingRebalance);
    assert!(scene.group.next_deadline().unwrap() > scene.now);
}
