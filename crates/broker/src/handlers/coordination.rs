//! Groups and transactions through the wire format, at every version of every request: an answer
//! with a field that its version does not have could not be encoded.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages as m;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    add_partitions_to_txn_request as add_partitions, offset_commit_request as commit,
    txn_offset_commit_request as txn_commit,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tempfile::TempDir;

use crate::broker::Broker;
use crate::handlers::{APIS, answer};
use crate::settings::Settings;

/// No request of groups and transactions has a higher version.
const VERSIONS: std::ops::RangeInclusive<i16> = 0..=9;

pub(super) async fn broker(dir: &TempDir) -> Arc<Broker> {
    let settings = Settings {
        data_dir: dir.path().to_owned(),
        group_initial_rebalance_delay_ms: 0,
        ..Settings::default()
    };
    let broker = Broker::open(settings).await.unwrap();
    broker.topics.create("t", 1, BTreeMap::default()).await.unwrap();
    broker
}

/// Sends a request at the served version that is nearest to `version`.
pub(super) async fn ask<R>(
    broker: &Arc<Broker>,
    version: i16,
    build: impl FnOnce(i16) -> R,
) -> <R as Request>::Response
where
    R: Request + Encodable + HeaderVersion,
    R::Response: Decodable + HeaderVersion,
{
    let api = APIS.iter().find(|api| api.key == R::KEY).unwrap();
    let version = version.clamp(api.first, api.last);
    let mut frame = BytesMut::new();
    frame.put_i16(R::KEY);
    frame.put_i16(version);
    frame.put_i32(1);
    frame.put_slice(b"\0\x06client");
    if R::header_version(version) >= 2 {
        frame.put_u8(0);
    }
    build(version).encode(&mut frame, version).unwrap();
    let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let answered = answer(broker, host, frame.freeze().into()).await;
    let (body, _) = answered.unwrap_or_else(|error| panic!("{} {version}: {error}", api.name));
    let mut body = body.unwrap().join();
    let tags = usize::from(R::Response::header_version(version) >= 1);
    body.advance(8 + tags);
    R::Response::decode(&mut body, version).unwrap()
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic() -> m::TopicName {
    m::TopicName(text("t"))
}

fn group(name: &str) -> m::GroupId {
    m::GroupId(text(name))
}

async fn join(
    broker: &Arc<Broker>,
    version: i16,
    name: &str,
    member_id: StrBytes,
) -> m::JoinGroupResponse {
    ask(broker, version, |version| {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(Bytes::from_static(b"meta"));
        m::JoinGroupRequest::default()
            .with_group_id(group(name))
            .with_session_timeout_ms(10_000)
            .with_rebalance_timeout_ms(if version >= 1 { 10_000 } else { -1 })
            .with_member_id(member_id)
            .with_group_instance_id((version >= 5).then(|| text("instance")))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol])
    })
    .await
}

#[tokio::test]
async fn members_are_served_at_every_version() {
    let dir = tempfile::tempdir().unwrap();
    let broker = broker(&dir).await;
    for version in VERSIONS {
        let name = format!("group-{version}");
        let mut joined = join(&broker, version, &name, StrBytes::default()).await;
        if version == 4 {
            assert_eq!(joined.error_code, 79, "MEMBER_ID_REQUIRED");
            joined = join(&broker, version, &name, joined.member_id).await;
        }
        assert_eq!((joined.error_code, joined.generation_id, joined.members.len()), (0, 1, 1));
        let id = joined.member_id;
        let synced = ask(&broker, version, |_| {
            let assignment = SyncGroupRequestAssignment::default()
                .with_member_id(id.clone())
                .with_assignment(Bytes::from_static(b"part"));
            m::SyncGroupRequest::default()
                .with_group_id(group(&name))
                .with_generation_id(1)
                .with_member_id(id.clone())
                .with_assignments(vec![assignment])
        });
        assert_eq!(synced.await.assignment, "part");
        let heartbeat = ask(&broker, version, |_| {
            m::HeartbeatRequest::default()
                .with_group_id(group(&name))
                .with_generation_id(1)
                .with_member_id(id.clone())
        });
        assert_eq!(heartbeat.await.error_code, 0);
        describe(&broker, version, &name).await;
        let left = ask(&broker, version, |version| {
            let request = m::LeaveGroupRequest::default().with_group_id(group(&name));
            if version < 3 {
                return request.with_member_id(id.clone());
            }
            let identity = MemberIdentity::default()
                .with_member_id(id.clone())
                .with_group_instance_id((version >= 5).then(|| text("instance")));
            request.with_members(vec![identity])
        });
        let left = left.await;
        assert_eq!(left.error_code, 0);
        assert!(left.members.iter().all(|member| member.error_code == 0));
    }
}

#[tokio::test]
async fn no_member_learns_of_a_generation_that_is_not_in_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let broker = broker(&dir).await;
    let first = join(&broker, 4, "g", StrBytes::default()).await.member_id;
    let joined = join(&broker, 4, "g", first.clone()).await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    let second = join(&broker, 4, "g", StrBytes::default()).await.member_id;
    broker.store.close().unwrap();
    for _ in 0..3 {
        let (one, other) = tokio::join!(
            join(&broker, 4, "g", second.clone()),
            join(&broker, 4, "g", first.clone())
        );
        for refused in [one, other] {
            assert_eq!(refused.error_code, 15, "COORDINATOR_NOT_AVAILABLE: {refused:?}");
            assert_eq!(refused.generation_id, -1);
        }
    }
}

async fn describe(broker: &Arc<Broker>, version: i16, name: &str) {
    let described = ask(broker, version, |_| {
        m::DescribeGroupsRequest::default().with_groups(vec![group(name), group("unknown")])
    });
    let described = described.await.groups;
    assert_eq!(described[0].group_state, text("Stable"));
    assert_eq!(described[0].members[0].member_assignment, "part");
    assert_eq!(described[0].members[0].client_host, text("/127.0.0.1"));
    assert_eq!(described[1].group_state, text("Dead"));
    let listed = ask(broker, version, |_| m::ListGroupsRequest::default()).await.groups;
    assert!(listed.iter().any(|one| one.group_id == text(name)));
    let found = ask(broker, version, |version| {
        let request = m::FindCoordinatorRequest::default();
        if version >= 4 {
            return request.with_coordinator_keys(vec![text(name)]);
        }
        request.with_key(text(name))
    });
    let found = found.await;
    assert_eq!(found.error_code, 0);
    assert!(found.coordinators.iter().all(|one| one.error_code == 0 && one.node_id == 1));
}

#[tokio::test]
async fn offsets_are_served_at_every_version() {
    let dir = tempfile::tempdir().unwrap();
    let broker = broker(&dir).await;
    for version in VERSIONS {
        let name = format!("group-{version}");
        let committed = ask(&broker, version, |_| {
            let known = commit::OffsetCommitRequestPartition::default()
                .with_committed_offset(7)
                .with_committed_metadata(Some(text("note")));
            let unknown = known.clone().with_partition_index(9);
            let topic = commit::OffsetCommitRequestTopic::default()
                .with_name(topic())
                .with_partitions(vec![known, unknown]);
            m::OffsetCommitRequest::default().with_group_id(group(&name)).with_topics(vec![topic])
        });
        let committed = committed.await.topics.remove(0).partitions;
        assert_eq!((committed[0].error_code, committed[1].error_code), (0, 3));
        let fetched = ask(&broker, version, |version| {
            let request = m::OffsetFetchRequest::default();
            if version >= 8 {
                let one = OffsetFetchRequestGroup::default().with_group_id(group(&name));
                return request.with_groups(vec![one.with_topics(None)]);
            }
            let topic = OffsetFetchRequestTopic::default()
                .with_name(topic())
                .with_partition_indexes(vec![0]);
            request.with_group_id(group(&name)).with_topics(Some(vec![topic]))
        });
        let fetched = fetched.await;
        let one = fetched.topics.iter().flat_map(|topic| &topic.partitions);
        let one = one.map(|it| (it.committed_offset, it.metadata.clone()));
        let many = fetched.groups.iter().flat_map(|it| &it.topics).flat_map(|it| &it.partitions);
        let many = many.map(|it| (it.committed_offset, it.metadata.clone()));
        assert_eq!(one.chain(many).collect::<Vec<_>>(), [(7, Some(text("note")))]);
        let deleted = ask(&broker, version, |_| {
            let partition = OffsetDeleteRequestPartition::default();
            let topic = OffsetDeleteRequestTopic::default()
                .with_name(topic())
                .with_partitions(vec![partition]);
            m::OffsetDeleteRequest::default().with_group_id(group(&name)).with_topics(vec![topic])
        });
        assert_eq!(deleted.await.topics[0].partitions[0].error_code, 0);
        let gone = ask(&broker, version, |_| {
            m::DeleteGroupsRequest::default().with_groups_names(vec![group(&name)])
        });
        assert_eq!(gone.await.results[0].error_code, 0);
    }
}

#[tokio::test]
async fn transactions_are_served_at_every_version() {
    let dir = tempfile::tempdir().unwrap();
    let broker = broker(&dir).await;
    let id = m::TransactionalId(text("tx"));
    for version in VERSIONS {
        let begun = ask(&broker, version, |_| {
            m::InitProducerIdRequest::default()
                .with_transactional_id(Some(id.clone()))
                .with_transaction_timeout_ms(60_000)
        });
        let begun = begun.await;
        assert_eq!((begun.error_code, begun.producer_epoch), (0, version));
        let (producer, epoch) = (begun.producer_id, begun.producer_epoch);
        let add = |epoch: i16| {
            let topic = add_partitions::AddPartitionsToTxnTopic::default()
                .with_name(topic())
                .with_partitions(vec![0]);
            m::AddPartitionsToTxnRequest::default()
                .with_v3_and_below_transactional_id(id.clone())
                .with_v3_and_below_producer_id(producer)
                .with_v3_and_below_producer_epoch(epoch)
                .with_v3_and_below_topics(vec![topic])
        };
        let code = |answer: m::AddPartitionsToTxnResponse| {
            answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
        };
        assert_eq!(code(ask(&broker, version, |_| add(epoch)).await), 0);
        // INVALID_PRODUCER_EPOCH for clients that do not know PRODUCER_FENCED.
        let fenced = if version < 2 { 47 } else { 90 };
        assert_eq!(code(ask(&broker, version, |_| add(epoch - 1)).await), fenced);
        let added = ask(&broker, version, |_| {
            m::AddOffsetsToTxnRequest::default()
                .with_transactional_id(id.clone())
                .with_producer_id(producer)
                .with_producer_epoch(epoch)
                .with_group_id(group("g"))
        });
        assert_eq!(added.await.error_code, 0);
        let committed = ask(&broker, version, |_| {
            let partition = txn_commit::TxnOffsetCommitRequestPartition::default()
                .with_committed_offset(version.into());
            let topic = txn_commit::TxnOffsetCommitRequestTopic::default()
                .with_name(topic())
                .with_partitions(vec![partition]);
            m::TxnOffsetCommitRequest::default()
                .with_transactional_id(id.clone())
                .with_group_id(group("g"))
                .with_producer_id(producer)
                .with_producer_epoch(epoch)
                .with_topics(vec![topic])
        });
        assert_eq!(committed.await.topics[0].partitions[0].error_code, 0);
        let ended = ask(&broker, version, |_| {
            m::EndTxnRequest::default()
                .with_transactional_id(id.clone())
                .with_producer_id(producer)
                .with_producer_epoch(epoch)
                .with_committed(true)
        });
        assert_eq!(ended.await.error_code, 0);
        let position = broker.groups.positions("g", None, true).remove("t").unwrap().remove(0).1;
        assert_eq!(position.unwrap().map(|it| it.offset), Some(version.into()));
    }
}

#[tokio::test]
async fn a_short_request_cannot_multiply_a_long_name() {
    const PARTITIONS: i32 = 100_000;
    let dir = tempfile::tempdir().unwrap();
    let broker = broker(&dir).await;
    let before = super::mutation::peak_bytes();
    let long = text(&"n".repeat(32_000));
    let name = m::TopicName(long.clone());
    let indexes: Vec<i32> = (0..PARTITIONS).collect();

    let fetched = ask(&broker, 7, |_| {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(name.clone())
            .with_partition_indexes(indexes.clone());
        m::OffsetFetchRequest::default().with_group_id(group("g")).with_topics(Some(vec![topic]))
    });
    let fetched = fetched.await.topics.remove(0).partitions;
    assert_eq!(fetched.len(), indexes.len());
    assert!(fetched.iter().all(|one| (one.committed_offset, one.error_code) == (-1, 0)));

    let added = ask(&broker, 3, |_| {
        let topic = add_partitions::AddPartitionsToTxnTopic::default()
            .with_name(name.clone())
            .with_partitions(indexes.clone());
        m::AddPartitionsToTxnRequest::default().with_v3_and_below_topics(vec![topic])
    });
    let added = added.await.results_by_topic_v3_and_below.remove(0).results_by_partition;
    assert!(added.iter().all(|one| one.partition_error_code == 3), "UNKNOWN_TOPIC_OR_PARTITION");

    let _ = join(&broker, 0, "g", StrBytes::default()).await;
    ask(&broker, 0, |_| {
        let partition =
            |index: &i32| OffsetDeleteRequestPartition::default().with_partition_index(*index);
        let topic = OffsetDeleteRequestTopic::default()
            .with_name(name.clone())
            .with_partitions(indexes.iter().map(partition).collect());
        m::OffsetDeleteRequest::default().with_group_id(group("g")).with_topics(vec![topic])
    })
    .await;

    let committed = ask(&broker, 9, |_| {
        let partition = commit::OffsetCommitRequestPartition::default();
        let topic = commit::OffsetCommitRequestTopic::default()
            .with_name(topic())
            .with_partitions(vec![partition; PARTITIONS as usize]);
        m::OffsetCommitRequest::default()
            .with_group_id(m::GroupId(long.clone()))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic])
    });
    let committed = committed.await.topics.remove(0).partitions;
    assert!(committed.iter().all(|one| one.error_code == 28), "INVALID_COMMIT_OFFSET_SIZE");

    // A name for each partition would be 3 GB.
    let grown = super::mutation::peak_bytes().saturating_sub(before);
    assert!(grown < 2 << 30, "{grown} bytes more were asked for");
}
