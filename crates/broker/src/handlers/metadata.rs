//! `Metadata`: brokers, topics, partitions; also how topics come into being by being asked for.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::broker::{LEADER_EPOCH, NODE_ID};
use crate::handlers::{Call, once, operations};
use crate::topics::Topic;
use crate::topics::config::Overrides;
use crate::wire::shape::{BOOL, STRING, Shape, UUID, list};

pub(crate) const SHAPE: Shape = Shape::new(
    9,
    &[
        list![UUID.since(10), STRING],
        BOOL.since(4),
        BOOL.since(8).until(10),
        BOOL.since(8),
    ],
);

pub(crate) async fn handle(call: &Call, request: MetadataRequest) -> MetadataResponse {
    let endpoint = call.broker.endpoint();
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(NODE_ID))
        .with_host(endpoint.host)
        .with_port(endpoint.port);
    let create = request.allow_auto_topic_creation && call.broker.settings.auto_create_topics;
    let mut topics = Vec::new();
    match request.topics {
        // Version 0 has no null, there an empty list means all.
        Some(mut named) if !(named.is_empty() && call.version == 0) => {
            once(&mut named, |topic| (topic.topic_id, topic.name.clone()));
            for topic in named {
                topics.push(one(call, &topic, create).await);
            }
        }
        _ => topics.extend(call.broker.topics.all().iter().map(|topic| describe(topic))),
    }
    if request.include_topic_authorized_operations {
        for topic in &mut topics {
            topic.topic_authorized_operations = operations::TOPIC;
        }
    }
    let mut response = MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(call.broker.cluster_id.clone()))
        .with_controller_id(BrokerId(NODE_ID))
        .with_topics(topics);
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = operations::CLUSTER;
    }
    response
}

async fn one(call: &Call, wanted: &MetadataRequestTopic, create: bool) -> MetadataResponseTopic {
    let topics = &call.broker.topics;
    let failed = |error: ResponseError| {
        MetadataResponseTopic::default()
            .with_error_code(error.code())
            .with_name(wanted.name.clone())
            .with_topic_id(wanted.topic_id)
    };
    let Some(name) = &wanted.name else {
        let found = topics.by_id(wanted.topic_id);
        return found.map_or_else(|| failed(ResponseError::UnknownTopicId), |topic| describe(&topic));
    };
    if let Some(topic) = topics.get(name) {
        return describe(&topic);
    }
    if let Err(refusal) = crate::topics::name::check(name) {
        return failed(refusal.error);
    }
    if !create {
        return failed(ResponseError::UnknownTopicOrPartition);
    }
    let partitions = call.broker.settings.default_partitions;
    match topics.create(name, partitions, Overrides::new()).await {
        Ok(topic) => describe(&topic),
        // Someone else was faster.
        Err(refusal) => topics.get(name).map_or_else(|| failed(refusal.error), |t| describe(&t)),
    }
}

fn describe(topic: &Topic) -> MetadataResponseTopic {
    let partitions = (0..topic.partition_count()).map(|index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(NODE_ID))
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(vec![BrokerId(NODE_ID)])
            .with_isr_nodes(vec![BrokerId(NODE_ID)])
    });
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(topic.name.clone()))))
        .with_topic_id(topic.id)
        .with_partitions(partitions.collect())
}
