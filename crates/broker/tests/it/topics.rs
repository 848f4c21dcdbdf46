//! Topics and their configuration, as administrators change them.

use erboh_broker::Settings;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
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
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest,
    DescribeConfigsRequest, DescribeTopicPartitionsRequest, IncrementalAlterConfigsRequest,
    MetadataRequest,
};

use crate::support::{Client, Running, settings, topic};

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
    broker.stop().await;
}

/// A topic whose partitions are assigned to these brokers, as Apache Kafka's own tools write it.
fn assigned(assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignments = assignments.iter().map(|(index, brokers)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(*index)
            .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
    });
    CreatableTopic::default()
        .with_name(topic("assigned"))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments(assignments.collect())
}

#[tokio::test]
async fn partitions_may_be_assigned_to_the_only_broker() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    let mut create = async |topic: CreatableTopic| {
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let result = client.call(&request, 7).await.topics[0].clone();
        let message = result.error_message.map(|text| text.to_string()).unwrap_or_default();
        (result.error_code, message, result.num_partitions)
    };
    let mut check = async |assignments: &[(i32, &[i32])], reason: &str| {
        let (code, message, _) = create(assigned(assignments)).await;
        assert_eq!(code, ResponseError::InvalidReplicaAssignment.code(), "{message}");
        assert!(message.contains(reason), "{message}");
    };
    check(&[(0, &[1]), (1, &[2])], "partition 1 is assigned to broker 2").await;
    check(&[(0, &[1, 3])], "partition 0 is assigned to broker 3").await;
    check(&[(0, &[1]), (1, &[])], "partition 1 is assigned to no broker").await;
    check(&[(0, &[1, 1])], "partition 0 is assigned to broker 1 more than once").await;
    check(&[(0, &[1]), (2, &[1])], "partition 2 is assigned but partition 1 is not").await;
    check(&[(0, &[1]), (0, &[1])], "partition 0 is assigned more than once").await;
    check(&[(-1, &[1])], "partition -1 is assigned but partition 0 is not").await;
    for topic in [
        assigned(&[(0, &[1])]).with_num_partitions(1),
        assigned(&[(0, &[1])]).with_replication_factor(1),
    ] {
        let (code, message, _) = create(topic).await;
        assert_eq!(code, ResponseError::InvalidRequest.code());
        assert!(message.contains("must be -1, not 1"), "{message}");
    }
    assert_eq!(create(assigned(&[(1, &[1]), (0, &[1]), (2, &[1])])).await, (0, String::new(), 3));
    broker.stop().await;
}

#[tokio::test]
async fn added_partitions_may_be_assigned_to_the_only_broker() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[]).await;
    let mut grow = async |count, assignments: &[&[i32]]| {
        let assignments = assignments.iter().map(|brokers| {
            let brokers = brokers.iter().map(|id| BrokerId(*id)).collect();
            CreatePartitionsAssignment::default().with_broker_ids(brokers)
        });
        let topic = CreatePartitionsTopic::default()
            .with_name(topic("t"))
            .with_count(count)
            .with_assignments(Some(assignments.collect()));
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]);
        let result = client.call(&request, 3).await.results[0].clone();
        (result.error_code, result.error_message.map(|text| text.to_string()).unwrap_or_default())
    };
    let mut check = async |count, assignments: &[&[i32]], reason: &str| {
        let (code, message) = grow(count, assignments).await;
        assert_eq!(code, ResponseError::InvalidReplicaAssignment.code(), "{message}");
        assert!(message.contains(reason), "{message}");
    };
    check(3, &[&[1]], "3 take 2 assignments, not 1").await;
    check(3, &[&[1], &[2]], "partition 2 is assigned to broker 2").await;
    check(3, &[&[], &[1]], "partition 1 is assigned to no broker").await;
    check(3, &[&[1], &[1, 1]], "partition 2 is assigned to broker 1 more than once").await;
    let (fewer, _) = grow(1, &[&[1]]).await;
    assert_eq!(fewer, ResponseError::InvalidPartitions.code());
    assert_eq!(grow(3, &[&[1], &[1]]).await, (0, String::new()));
    assert_eq!(grow(4, &[]).await, (0, String::new()), "an empty list means none");
    broker.stop().await;
}

#[tokio::test]
async fn topics_are_created_by_use_only_where_the_settings_let_them() {
    let data = tempfile::tempdir().unwrap();
    let check = async |settings: Settings, code: i16, partitions: usize| {
        let broker = Running::start_with(settings).await;
        let mut client = broker.client().await;
        let wanted = MetadataRequestTopic::default().with_name(Some(topic("used")));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![wanted]))
            .with_allow_auto_topic_creation(true);
        let found = client.call(&request, 12).await.topics[0].clone();
        assert_eq!((found.error_code, found.partitions.len()), (code, partitions));
        broker.stop().await;
    };
    let off = Settings { auto_create_topics: false, ..settings(data.path()) };
    check(off, ResponseError::UnknownTopicOrPartition.code(), 0).await;
    let four = Settings { default_partitions: 4, ..settings(data.path()) };
    check(four, 0, 4).await;
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
