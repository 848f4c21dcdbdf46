//! What groups keep in the store, tried with a store on disk.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tempfile::TempDir;

use super::offsets::{Committed, OffsetKey};
use super::{Claim, Groups, Join, Joined, Protocol};
use crate::limits::{OFFSETS_PER_WRITE_BYTES, OFFSETS_RETENTION_MS};
use crate::partition::Fsync;
use crate::store::Store;
use crate::time::now_ms;

/// A client without group membership.
const NOBODY: Claim<'_> = Claim { member_id: "", instance_id: None, generation: -1 };

fn open(dir: &Path) -> Groups {
    let fsync = Fsync::Periodic { interval_ms: 1_000 };
    let (store, stored) = Store::open(dir.to_owned(), fsync).unwrap();
    Groups::open(Arc::new(store), &stored, Duration::ZERO)
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn at(group: &str, topic: &str, offset: i64) -> (OffsetKey, Committed) {
    let key = OffsetKey { group: group.into(), topic: topic.into(), partition: 0 };
    let metadata = "note".into();
    (key, Committed { offset, leader_epoch: 0, metadata, at_ms: now_ms() })
}

async fn join(groups: &Groups, group: &str) -> Joined {
    let protocol =
        Protocol { name: "range".into(), metadata: Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t") };
    let join = Join {
        member_id: String::new(),
        fresh_id: "member".into(),
        instance_id: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(10),
        requires_known_id: false,
        may_skip_assignment: true,
    };
    groups.join(group, &join).await.unwrap()
}

/// The offset that a group has committed in partition 0 of a topic.
fn position(groups: &Groups, group: &str, topic: &str) -> Option<i64> {
    let wanted = Some([(topic.to_owned(), [0].into())].into());
    let mut found = groups.positions(group, wanted, false).remove(topic).unwrap();
    found.remove(0).1.unwrap().map(|committed| committed.offset)
}

fn is_stable(groups: &Groups, group: &str) -> bool {
    let wanted = Some([("t".to_owned(), [0].into())].into());
    let found = groups.positions(group, wanted, true).remove("t").unwrap().remove(0).1;
    found != Err(ResponseError::UnstableOffsetCommit)
}

#[tokio::test]
async fn offsets_survive_a_restart_and_members_do_not() {
    let dir = directory();
    let groups = open(dir.path());
    let joined = join(&groups, "g").await;
    assert_eq!(joined.generation, 1);
    groups.commit("simple", &NOBODY, vec![at("simple", "t", 7)]).await.unwrap();
    drop(groups);

    let groups = open(dir.path());
    assert_eq!(position(&groups, "simple", "t"), Some(7));
    assert_eq!(position(&groups, "simple", "u"), None);
    let claim = Claim { member_id: &joined.member_id, instance_id: None, generation: 1 };
    assert_eq!(groups.heartbeat("g", &claim), Err(ResponseError::UnknownMemberId));
    assert_eq!(join(&groups, "g").await.generation, 2);
}

#[tokio::test]
async fn pending_offsets_become_valid_with_the_commit_only() {
    let dir = directory();
    let mut groups = open(dir.path());
    for (is_commit, expected) in [(false, None), (true, Some(9))] {
        groups.commit_pending("g", &NOBODY, (1, 0), vec![at("g", "t", 9)]).await.unwrap();
        assert_eq!(position(&groups, "g", "t"), None);
        assert!(!is_stable(&groups, "g"));
        drop(groups);
        groups = open(dir.path());
        assert!(!is_stable(&groups, "g"));
        groups.end_transaction((1, 0), is_commit).await.unwrap();
        assert!(is_stable(&groups, "g"));
        assert_eq!(position(&groups, "g", "t"), expected);
    }
    drop(groups);
    let groups = open(dir.path());
    assert_eq!(position(&groups, "g", "t"), Some(9));
    assert!(groups.pending_producers().is_empty());
}

#[tokio::test]
async fn a_fenced_producers_pending_offsets_never_become_valid() {
    let dir = directory();
    let groups = open(dir.path());
    groups.commit_pending("g", &NOBODY, (1, 0), vec![at("g", "t", 5)]).await.unwrap();
    groups.drop_pending((1, 0), || false).await.unwrap();
    assert!(!is_stable(&groups, "g"));
    groups.end_transaction((1, 2), true).await.unwrap();
    assert_eq!(position(&groups, "g", "t"), None);
    assert!(is_stable(&groups, "g"));
}

#[tokio::test]
async fn only_groups_without_members_are_deleted() {
    let dir = directory();
    let groups = open(dir.path());
    assert_eq!(groups.delete("g").await, Err(ResponseError::GroupIdNotFound));
    groups.commit("g", &NOBODY, vec![at("g", "t", 7)]).await.unwrap();
    let joined = join(&groups, "g").await;
    assert_eq!(groups.delete("g").await, Err(ResponseError::NonEmptyGroup));
    let delete = groups.delete_offsets("g", &[("t", 0), ("u", 0)]).await.unwrap();
    assert_eq!(delete, [Err(ResponseError::GroupSubscribedToTopic), Ok(())]);
    assert_eq!(groups.leave("g", &[(&joined.member_id, None)]).await, [Ok(())]);
    assert_eq!(groups.delete("g").await, Ok(()));
    drop(groups);
    let groups = open(dir.path());
    assert_eq!(position(&groups, "g", "t"), None);
    assert_eq!(groups.delete("g").await, Err(ResponseError::GroupIdNotFound));
}

#[tokio::test]
async fn a_deleted_topic_takes_its_offsets_along() {
    let dir = directory();
    let groups = open(dir.path());
    let offsets = vec![at("g", "t", 7), at("g", "u", 8)];
    groups.commit("g", &NOBODY, offsets).await.unwrap();
    groups.topic_deleted("t").await.unwrap();
    drop(groups);
    let groups = open(dir.path());
    assert_eq!(position(&groups, "g", "t"), None);
    assert_eq!(position(&groups, "g", "u"), Some(8));
}

#[tokio::test]
async fn offsets_expire_when_nobody_has_used_them_for_a_week() {
    let dir = directory();
    let groups = open(dir.path());
    groups.commit("idle", &NOBODY, vec![at("idle", "t", 7)]).await.unwrap();
    groups.commit("used", &NOBODY, vec![at("used", "t", 7)]).await.unwrap();
    join(&groups, "used").await;
    groups.expire(now_ms() + OFFSETS_RETENTION_MS - 60_000).await;
    assert_eq!(position(&groups, "idle", "t"), Some(7));
    groups.expire(now_ms() + OFFSETS_RETENTION_MS).await;
    assert_eq!(position(&groups, "idle", "t"), None);
    assert_eq!(position(&groups, "used", "t"), Some(7));
    let names: Vec<String> = groups.list().into_iter().map(|(name, _, _)| name).collect();
    assert_eq!(names, ["used"]);
}

#[tokio::test]
async fn a_commit_has_to_fit_into_the_journal() {
    let dir = directory();
    let groups = open(dir.path());
    let (key, mut committed) = at("g", "t", 7);
    committed.metadata = "x".repeat(OFFSETS_PER_WRITE_BYTES / 6);
    let outcome = groups.commit("g", &NOBODY, vec![(key, committed)]).await;
    assert_eq!(outcome, Err(ResponseError::InvalidCommitOffsetSize));
    assert_eq!(position(&groups, "g", "t"), None);
}

#[tokio::test]
async fn what_is_committed_while_old_offsets_go_stays() {
    let dir = directory();
    let groups = open(dir.path());
    groups.commit("idle", &NOBODY, vec![at("idle", "t", 7)]).await.unwrap();
    join(&groups, "used").await;
    drop(groups);
    // After the crash the sweep writes down first that `used` has lost its members.
    let groups = open(dir.path());
    let later_ms = now_ms() + OFFSETS_RETENTION_MS;
    let (key, committed) = at("idle", "t", 8);
    let fresh = vec![(key, Committed { at_ms: later_ms, ..committed })];
    let ((), committed) =
        tokio::join!(groups.expire(later_ms), groups.commit("idle", &NOBODY, fresh));
    committed.unwrap();
    assert_eq!(position(&groups, "idle", "t"), Some(8));
}
