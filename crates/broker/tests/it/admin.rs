//! What administrators' tools ask besides topics: where data lies, who leads, who may do what.

use std::path::Path;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{
    DescribeAclsRequest, DescribeClientQuotasRequest, DescribeLogDirsRequest,
    DescribeUserScramCredentialsRequest, ElectLeadersRequest, ListConfigResourcesRequest,
    ListPartitionReassignmentsRequest,
};

use crate::support::{Client, Running, topic};

/// Bytes of the segments in a partition's directory.
fn bytes_on_disk(data: &Path, partition: &str) -> i64 {
    let files = std::fs::read_dir(data.join("topics").join(partition)).unwrap();
    let segments = files.map(|file| file.unwrap().path());
    let segments = segments.filter(|path| path.extension().is_some_and(|it| it == "log"));
    segments.map(|path| path.metadata().unwrap().len() as i64).sum()
}

/// What is in the log directory: its path, and size by partition.
async fn log_dir(
    client: &mut Client,
    named: Option<Vec<DescribableLogDirTopic>>,
    version: i16,
) -> (String, Vec<(String, i64)>) {
    let request = DescribeLogDirsRequest::default().with_topics(named);
    let answer = client.call(&request, version).await;
    assert_eq!(answer.error_code, 0);
    let [dir] = &answer.results[..] else { panic!("one directory, not {answer:?}") };
    assert_eq!(dir.error_code, 0);
    let sizes = dir.topics.iter().flat_map(|topic| {
        let name = topic.name.to_string();
        topic.partitions.iter().map(move |partition| {
            assert!(!partition.is_future_key && partition.offset_lag == 0);
            (format!("{name}-{}", partition.partition_index), partition.partition_size)
        })
    });
    (dir.log_dir.to_string(), sizes.collect())
}

#[tokio::test]
async fn log_directories_have_the_sizes_of_their_files() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    // Small segments, so that a partition has several.
    client.create_topic("a", 2, &[("segment.bytes", "16384")]).await;
    client.create_topic("b", 1, &[]).await;
    for _ in 0..5 {
        assert_eq!(client.produce("a", &["x".repeat(10_000).as_str()]).await.error_code, 0);
    }
    let size_of_a = bytes_on_disk(data.path(), "a-0");
    assert!(size_of_a > 50_000, "{size_of_a}");
    let all = [("a-0", size_of_a), ("a-1", 0), ("b-0", 0)].map(|(name, size)| (name.into(), size));
    for version in 1..=4 {
        let (dir, found) = log_dir(&mut client, None, version).await;
        assert_eq!((dir, &found[..]), (data.path().display().to_string(), &all[..]));
    }
    let named = |name, indexes| {
        DescribableLogDirTopic::default().with_topic(topic(name)).with_partitions(indexes)
    };
    let wanted = vec![named("a", vec![0, 7, 0]), named("a", vec![1]), named("nope", vec![0])];
    let (_, found) = log_dir(&mut client, Some(wanted), 4).await;
    assert_eq!(found, [("a-0".to_owned(), size_of_a)]);
    broker.stop().await;
}

#[tokio::test]
async fn no_partition_needs_a_leader() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[]).await;
    let named =
        |name, indexes| TopicPartitions::default().with_topic(topic(name)).with_partitions(indexes);
    let wanted = vec![named("t", vec![0, 1]), named("nope", vec![0])];
    let request = ElectLeadersRequest::default().with_topic_partitions(Some(wanted));
    for version in 0..=2 {
        let answer = client.call(&request, version).await;
        let results = answer
            .replica_election_results
            .iter()
            .flat_map(|topic| topic.partition_result.iter().map(|partition| partition.error_code));
        let unknown = ResponseError::UnknownTopicOrPartition.code();
        let expected = [ResponseError::ElectionNotNeeded.code(), unknown, unknown];
        assert_eq!((answer.error_code, results.collect::<Vec<_>>()), (0, expected.to_vec()));
    }
    let all = client.call(&ElectLeadersRequest::default().with_topic_partitions(None), 2).await;
    assert_eq!((all.error_code, all.replica_election_results), (0, vec![]));
    let wrong = client.call(&ElectLeadersRequest::default().with_election_type(9), 2).await;
    assert_eq!(wrong.error_code, ResponseError::InvalidRequest.code());
    broker.stop().await;
}

#[tokio::test]
async fn what_a_single_broker_without_log_in_has_not_is_not_there() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;

    let moving = ListPartitionReassignmentsRequest::default().with_topics(None);
    let moving = client.call(&moving, 0).await;
    assert_eq!((moving.error_code, moving.topics), (0, vec![]));

    let component = ComponentData::default().with_entity_type("user".into()).with_match_type(2);
    let quotas = DescribeClientQuotasRequest::default().with_components(vec![component]);
    for version in 0..=1 {
        let quotas = client.call(&quotas, version).await;
        assert_eq!((quotas.error_code, quotas.entries), (0, Some(vec![])));
    }

    let everyone = DescribeUserScramCredentialsRequest::default().with_users(None);
    let everyone = client.call(&everyone, 0).await;
    assert_eq!((everyone.error_code, everyone.results), (0, vec![]));
    let joe = vec![UserName::default().with_name("joe".into())];
    let joe = DescribeUserScramCredentialsRequest::default().with_users(Some(joe));
    let joe = client.call(&joe, 0).await;
    let [result] = &joe.results[..] else { panic!("one user, not {joe:?}") };
    assert_eq!((&*result.user, result.error_code), ("joe", ResponseError::ResourceNotFound.code()));

    for version in 1..=3 {
        let rights = client.call(&DescribeAclsRequest::default(), version).await;
        assert_eq!(rights.error_code, ResponseError::SecurityDisabled.code());
        assert!(rights.error_message.unwrap().contains("no authorizer"));
    }
    broker.stop().await;
}

#[tokio::test]
async fn topics_and_the_broker_have_a_configuration() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[]).await;
    let mut list = async |types: Vec<i8>, version| {
        let request = ListConfigResourcesRequest::default().with_resource_types(types);
        let answer = client.call(&request, version).await;
        let resources = answer.config_resources.iter();
        let resources = resources.map(|it| format!("{} {}", it.resource_type, it.resource_name));
        (answer.error_code, resources.collect::<Vec<_>>().join(", "))
    };
    assert_eq!(list(vec![], 1).await, (0, "2 t, 4 1".to_owned()));
    assert_eq!(list(vec![4], 1).await, (0, "4 1".to_owned()));
    assert_eq!(list(vec![8, 16, 32], 1).await, (0, String::new()), "they have none here");
    assert_eq!(list(vec![], 0).await, (0, String::new()), "version 0 asks for client metrics");
    let unsupported = ResponseError::UnsupportedVersion.code();
    assert_eq!(list(vec![2, 99], 1).await, (unsupported, String::new()));
    broker.stop().await;
}
