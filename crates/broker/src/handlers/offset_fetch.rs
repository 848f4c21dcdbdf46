//! `OffsetFetch`: how far a group has got; since version 8, several groups at once.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::groups::{Committed, Position};
use crate::handlers::{Call, once};
use crate::wire::shape::{BOOL, I32, Kind, STRING, Shape, list, list_of};

pub(crate) const SHAPE: Shape = Shape::new(
    6,
    &[
        STRING.until(7),
        list![STRING, list_of(&Kind::Fixed(4))].until(7),
        list![
            STRING,
            STRING.since(9),
            I32.since(9),
            list![STRING, list_of(&Kind::Fixed(4))]
        ]
        .since(8),
        BOOL.since(7),
    ],
);

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(call: &Call, mut request: OffsetFetchRequest) -> OffsetFetchResponse {
    once(&mut request.groups, |group| group.group_id.clone());
    if call.version < 8 { one_group(call, &request) } else { many_groups(call, &request) }
}

/// The partitions of each topic, however often the request names them.
fn each_once<'a>(
    topics: impl Iterator<Item = (&'a TopicName, &'a Vec<i32>)>,
) -> BTreeMap<String, BTreeSet<i32>> {
    let mut wanted: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    for (topic, partitions) in topics {
        wanted.entry(topic.to_string()).or_default().extend(partitions);
    }
    wanted
}

fn one_group(call: &Call, request: &OffsetFetchRequest) -> OffsetFetchResponse {
    let wanted = request.topics.as_ref().map(|topics| {
        each_once(topics.iter().map(|one| (&one.name, &one.partition_indexes)))
    });
    let found = call.broker.groups.positions(&request.group_id, wanted, request.require_stable);
    let topics = found.into_iter().map(|(topic, partitions)| {
        let partitions = partitions.into_iter().map(|(partition, position)| {
            let (committed, error_code) = answer(position);
            let response = OffsetFetchResponsePartition::default()
                .with_partition_index(partition)
                .with_committed_offset(committed.offset)
                .with_metadata(Some(committed.metadata.into()))
                .with_error_code(error_code);
            if call.version < 5 {
                return response;
            }
            response.with_committed_leader_epoch(committed.leader_epoch)
        });
        OffsetFetchResponseTopic::default()
            .with_name(TopicName(topic.into()))
            .with_partitions(partitions.collect())
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

fn many_groups(call: &Call, request: &OffsetFetchRequest) -> OffsetFetchResponse {
    let groups = request.groups.iter().map(|group| {
        let wanted = group.topics.as_ref().map(|topics| {
            each_once(topics.iter().map(|one| (&one.name, &one.partition_indexes)))
        });
        let found = call.broker.groups.positions(&group.group_id, wanted, request.require_stable);
        let topics = found.into_iter().map(|(topic, partitions)| {
            let partitions = partitions.into_iter().map(|(partition, position)| {
                let (committed, error_code) = answer(position);
                OffsetFetchResponsePartitions::default()
                    .with_partition_index(partition)
                    .with_committed_offset(committed.offset)
                    .with_committed_leader_epoch(committed.leader_epoch)
                    .with_metadata(Some(committed.metadata.into()))
                    .with_error_code(error_code)
            });
            OffsetFetchResponseTopics::default()
                .with_name(TopicName(StrBytes::from(topic)))
                .with_partitions(partitions.collect())
        });
        OffsetFetchResponseGroup::default()
            .with_group_id(group.group_id.clone())
            .with_topics(topics.collect())
    });
    OffsetFetchResponse::default().with_groups(groups.collect())
}

/// Offset -1 stands for nothing committed.
fn answer(position: Position) -> (Committed, i16) {
    let nothing =
        Committed { offset: -1, leader_epoch: -1, metadata: String::new(), at_ms: 0 };
    match position {
        Ok(committed) => (committed.unwrap_or(nothing), 0),
        Err(error) => (nothing, error.code()),
    }
}
