//! `DescribeTopicPartitions`: topics and partitions in pages (KIP-966).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition as Partition,
    DescribeTopicPartitionsResponseTopic as TopicPage,
};
use kafka_protocol::messages::{
    BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
};

use crate::broker::{LEADER_EPOCH, NODE_ID};
use crate::handlers::{Call, operations};
use crate::topics::Topic;
use crate::wire::shape::{I32, STRING, Shape, list, optional};

pub(crate) const SHAPE: Shape =
    Shape::new(0, &[list![STRING], I32, optional(&[STRING, I32])]);

/// Partitions in one answer at most, as Apache Kafka's `max.request.partition.size.limit`.
const PAGE_MAX: i32 = 2_000;

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(
    call: &Call,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let (first_topic, first_partition) = request
        .cursor
        .map_or((String::new(), 0), |cursor| (cursor.topic_name.to_string(), cursor.partition_index));
    let topics = &call.broker.topics;
    let mut wanted: Vec<String> = if request.topics.is_empty() {
        topics.all_from(&first_topic).iter().map(|topic| topic.name.clone()).collect()
    } else {
        let names = request.topics.iter().map(|topic| topic.name.to_string());
        names.filter(|name| *name >= first_topic).collect()
    };
    wanted.sort();
    wanted.dedup();

    let mut left = request.response_partition_limit.clamp(1, PAGE_MAX);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in wanted {
        let next = |index| Some(Cursor::default().with_topic_name(TopicName(name.clone().into())).with_partition_index(index));
        if left == 0 {
            response.next_cursor = next(0);
            break;
        }
        let Some(topic) = topics.get(&name) else {
            response.topics.push(unknown(&name));
            continue;
        };
        let first = if name == first_topic { first_partition.max(0) } else { 0 };
        let last = topic.partition_count().min(first.saturating_add(left));
        response.topics.push(page(&topic, first, last));
        left -= (last - first).max(0);
        if last < topic.partition_count() {
            response.next_cursor = next(last);
            break;
        }
    }
    response
}

fn unknown(name: &str) -> TopicPage {
    let error = match crate::topics::name::check(name) {
        Ok(()) => ResponseError::UnknownTopicOrPartition,
        Err(refusal) => refusal.error,
    };
    TopicPage::default().with_error_code(error.code()).with_name(Some(TopicName(name.to_owned().into())))
}

fn page(topic: &Topic, first: i32, last: i32) -> TopicPage {
    let partitions = (first..last).map(|index| {
        Partition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(NODE_ID))
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(vec![BrokerId(NODE_ID)])
            .with_isr_nodes(vec![BrokerId(NODE_ID)])
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()))
    });
    TopicPage::default()
        .with_name(Some(TopicName(topic.name.clone().into())))
        .with_topic_id(topic.id)
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(operations::TOPIC)
}
