//! Topics and their configuration, as administrators change them.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_topic_partitions_request::Cursor;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DescribeConfigsRequest,
    DescribeTopicPartitionsRequest, IncrementalAlterConfigsRequest, MetadataRequest,
};

use crate::support::{Client, Running, topic};

#[tokio::test]
async fn topics_that_cannot_be_are_refused_with_a_reason() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[]).await;
    let good = || {
        CreatableTopic::default()
            .with_name(topic("n"))
            .with_num_partitions(1)
            .with_replication_factor(1)
    };
    let mut check = async |topic: CreatableTopic, expected: ResponseError, reason: &str| {
        let request =
            CreateTopicsRequest::default().with_topics(vec![topic]).with_validate_only(true);
        let result = client.call(&request, 7).await.topics[0].clone();
        assert_eq!(result.error_code, expected.code(), "{result:?}");
        assert!(result.error_message.as_ref().unwrap().contains(reason), "{result:?}");
    };
    check(good().with_name(topic("t")), ResponseError::TopicAlreadyExists, "exists").await;
    check(good().with_name(topic("a b")), ResponseError::InvalidTopicException, "character").await;
    check(good().with_num_partitions(0), ResponseError::InvalidPartitions, "1 to").await;
    check(good().with_replication_factor(3), ResponseError::InvalidReplicationFactor, "one broker")
        .await;
    let assigned = good().with_assignments(vec![CreatableReplicaAssignment::default()]);
    check(assigned, ResponseError::InvalidReplicaAssignment, "one broker").await;
    broker.stop().await;
}

#[tokio::test]
async fn checking_creates_nothing() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    let topic = CreatableTopic::default()
        .with_name(topic("n"))
        .with_num_partitions(-1)
        .with_replication_factor(-1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    let checked = client.call(&request.clone().with_validate_only(true), 7).await;
    assert_eq!((checked.topics[0].error_code, checked.topics[0].num_partitions), (0, 1));
    let created = client.call(&request, 7).await;
    assert_eq!(created.topics[0].error_code, 0, "it was not there yet");
    broker.stop().await;
}

#[tokio::test]
async fn what_is_asked_for_twice_is_answered_once() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 100, &[]).await;
    let wanted = MetadataRequestTopic::default().with_name(Some(topic("t")));
    let request = MetadataRequest::default().with_topics(Some(vec![wanted; 10_000]));
    assert_eq!(client.call(&request, 12).await.topics.len(), 1);
    let wanted = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name("t".into())
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![wanted; 10_000]);
    assert_eq!(client.call(&request, 4).await.results.len(), 1);
    broker.stop().await;
}

async fn alter(client: &mut Client, key: &'static str, value: &'static str) -> (i16, String) {
    let config = AlterableConfig::default().with_name(key.into()).with_value(Some(value.into()));
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name("t".into())
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let response = client.call(&request, 1).await.responses[0].clone();
    (response.error_code, response.error_message.map(|m| m.to_string()).unwrap_or_default())
}

#[tokio::test]
async fn configuration_is_shown_as_it_was_set() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[("retention.ms", "1000")]).await;
    assert_eq!(alter(&mut client, "cleanup.policy", "compact").await.0, 0);
    let (code, message) = alter(&mut client, "no.such.key", "1").await;
    assert_eq!(code, ResponseError::InvalidConfig.code());
    assert!(message.contains("no.such.key"), "{message}");

    let resource = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name("t".into())
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let described = client.call(&request, 4).await.results[0].clone();
    let source_and_value = |key: &str| {
        let config = described.configs.iter().find(|config| config.name == *key).unwrap();
        (config.config_source, config.value.as_ref().unwrap().to_string())
    };
    assert_eq!(source_and_value("retention.ms"), (1, "1000".to_owned()));
    assert_eq!(source_and_value("cleanup.policy"), (1, "compact".to_owned()));
    assert_eq!(source_and_value("max.message.bytes"), (5, "1048588".to_owned()));
    broker.stop().await;
}

#[tokio::test]
async fn partitions_are_added_and_listed_in_pages() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("a", 1, &[]).await;
    client.create_topic("b", 1, &[]).await;
    let grow = |count| {
        let topic = CreatePartitionsTopic::default()
            .with_name(topic("a"))
            .with_count(count)
            .with_assignments(None);
        CreatePartitionsRequest::default().with_topics(vec![topic])
    };
    assert_eq!(client.call(&grow(5), 3).await.results[0].error_code, 0);
    let fewer = client.call(&grow(2), 3).await.results[0].error_code;
    assert_eq!(fewer, ResponseError::InvalidPartitions.code());

    let mut seen = Vec::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let request = DescribeTopicPartitionsRequest::default()
            .with_response_partition_limit(2)
            .with_cursor(cursor.take());
        let page = client.call(&request, 0).await;
        for topic in page.topics {
            let name = topic.name.unwrap().to_string();
            seen.extend(topic.partitions.iter().map(|p| format!("{name}-{}", p.partition_index)));
        }
        let Some(next) = page.next_cursor else { break };
        let next = Cursor::default()
            .with_topic_name(next.topic_name)
            .with_partition_index(next.partition_index);
        cursor = Some(next);
    }
    assert_eq!(seen, ["a-0", "a-1", "a-2", "a-3", "a-4", "b-0"]);
    broker.stop().await;
}

#[tokio::test]
async fn deleted_records_are_gone() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[]).await;
    client.produce("t", &["a"]).await;
    client.produce("t", &["b"]).await;
    let mut delete = async |offset| {
        let partition = DeleteRecordsPartition::default().with_offset(offset);
        let wanted =
            DeleteRecordsTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default().with_topics(vec![wanted]);
        let result = client.call(&request, 2).await.topics[0].partitions[0].clone();
        (result.error_code, result.low_watermark)
    };
    assert_eq!(delete(1).await, (0, 1));
    assert_eq!(delete(9).await, (ResponseError::OffsetOutOfRange.code(), -1));
    assert_eq!(delete(-1).await, (0, 2));
    let gone = client.fetch("t", 0, 0).await;
    assert_eq!(gone.error_code, ResponseError::OffsetOutOfRange.code());
    assert_eq!(gone.log_start_offset, 2);
    broker.stop().await;
}
