//! Produce and fetch.

use erboh_broker::Settings;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{ListOffsetsRequest, MetadataRequest, ProduceRequest};

use crate::support::{
    Client, FIRST_TIMESTAMP_MS, Running, batch, fetch, produce, records, settings, topic,
};

fn numbered(values: &[&str]) -> Vec<(i64, String)> {
    values.iter().enumerate().map(|(at, value)| (at as i64, (*value).to_owned())).collect()
}

#[tokio::test]
async fn what_is_produced_is_fetched() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[]).await;
    assert_eq!(client.produce("t", &["a", "b"]).await.base_offset, 0);
    assert_eq!(client.produce("t", &["c"]).await.base_offset, 2);
    let fetched = client.fetch("t", 0, 0).await;
    assert_eq!(records(&fetched), numbered(&["a", "b", "c"]));
    assert_eq!(fetched.high_watermark, 3);
    // From the middle of a batch the whole batch comes; clients skip what they did not ask for.
    assert_eq!(records(&client.fetch("t", 1, 0).await).len(), 3);
    assert_eq!(records(&client.fetch("t", 3, 0).await), []);
    broker.stop().await;
}

#[tokio::test]
async fn partitions_that_wait_for_the_disk_are_answered_in_order() {
    let data = tempfile::tempdir().unwrap();
    let forced = Settings { fsync_always: true, ..settings(data.path()) };
    let broker = Running::start_with(forced).await;
    let mut client = broker.client().await;
    client.create_topic("t", 3, &[]).await;
    let mut request = produce("t", -1, batch(&["a"]));
    let partitions = &mut request.topic_data[0].partition_data;
    for index in [7, 2, 1] {
        partitions.push(partitions[0].clone().with_index(index));
    }
    let response = client.call(&request, 9).await;
    let answered = response.responses[0].partition_responses.iter();
    let answered: Vec<_> = answered.map(|p| (p.index, p.error_code, p.base_offset)).collect();
    assert_eq!(answered, [(0, 0, 0), (7, 3, -1), (2, 0, 0), (1, 0, 0)]);
    assert_eq!(records(&client.fetch("t", 0, 0).await), numbered(&["a"]));
    broker.stop().await;
}

#[tokio::test]
async fn a_fetch_waits_for_records() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let (mut reader, mut writer) = (broker.client().await, broker.client().await);
    reader.create_topic("t", 1, &[]).await;
    reader.send(&fetch("t", 0, 60_000), 12).await;
    writer.produce("t", &["late"]).await;
    let response = reader.receive::<kafka_protocol::messages::FetchResponse>(12).await;
    assert_eq!(records(&response.responses[0].partitions[0]), numbered(&["late"]));
    broker.stop().await;
}

#[tokio::test]
async fn a_fetch_waits_for_as_many_bytes_as_it_wants() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let (mut reader, mut writer) = (broker.client().await, broker.client().await);
    reader.create_topic("t", 1, &[]).await;
    let two = 2 * batch(&["x"]).len() as i32;
    reader.send(&fetch("t", 0, 60_000).with_min_bytes(two), 12).await;
    writer.produce("t", &["x"]).await;
    writer.produce("t", &["y"]).await;
    let response = reader.receive::<kafka_protocol::messages::FetchResponse>(12).await;
    assert_eq!(records(&response.responses[0].partitions[0]), numbered(&["x", "y"]));
    broker.stop().await;
}

#[tokio::test]
async fn stopping_ends_fetches_that_wait() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut reader = broker.client().await;
    reader.create_topic("t", 1, &[]).await;
    reader.send(&fetch("t", 0, 600_000), 12).await;
    // Answered early or cut off: either way the broker is gone long before the ten minutes.
    broker.stop().await;
}

#[tokio::test]
async fn a_batch_larger_than_the_limits_still_comes() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[]).await;
    let large = "x".repeat(100_000);
    client.produce("t", &[&large]).await;
    client.produce("t", &["small"]).await;
    let mut request = fetch("t", 0, 0).with_max_bytes(10);
    request.topics[0].partitions[0].partition_max_bytes = 10;
    let response = client.call(&request, 12).await;
    assert_eq!(records(&response.responses[0].partitions[0]), [(0, large)]);
    broker.stop().await;
}

#[tokio::test]
async fn errors_are_told() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start_with(erboh_broker::Settings {
        auto_create_topics: false,
        ..settings(data.path())
    })
    .await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[("max.message.bytes", "1000")]).await;
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    assert_eq!(client.produce("nope", &["a"]).await.error_code, unknown);
    assert_eq!(client.fetch("nope", 0, 0).await.error_code, unknown);
    let out_of_range = ResponseError::OffsetOutOfRange.code();
    assert_eq!(client.fetch("t", 1, 60_000).await.error_code, out_of_range);
    let large = client.produce("t", &[&"x".repeat(2_000)]).await;
    assert_eq!(large.error_code, ResponseError::MessageTooLarge.code());
    assert!(large.error_message.unwrap().contains("max.message.bytes"));

    let mut damaged = batch(&["a"]).to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let check = async |client: &mut Client, request: ProduceRequest, expected: ResponseError| {
        let response = client.call(&request, 9).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, expected.code(), "{partition:?}");
    };
    let two = [batch(&["a"]), batch(&["b"])].concat();
    check(&mut client, produce("t", -1, damaged.into()), ResponseError::CorruptMessage).await;
    check(&mut client, produce("t", -1, two.into()), ResponseError::InvalidRecord).await;
    check(&mut client, produce("t", 2, batch(&["a"])), ResponseError::InvalidRequiredAcks).await;
    let session = fetch("t", 0, 0).with_session_id(7).with_session_epoch(3);
    let response = client.call(&session, 12).await;
    assert_eq!(response.error_code, ResponseError::FetchSessionIdNotFound.code());
    broker.stop().await;
}

#[tokio::test]
async fn producing_without_acknowledgement_gets_no_answer() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[]).await;
    client.send(&produce("t", 0, batch(&["a"])), 9).await;
    // The next answer on the connection is the fetch's.
    assert_eq!(records(&client.fetch("t", 0, 60_000).await), numbered(&["a"]));
    client.send(&produce("nope", 0, batch(&["a"])), 9).await;
    assert!(client.is_closed().await, "an error can only be told by closing");
    broker.stop().await;
}

#[tokio::test]
async fn asking_for_a_topic_creates_it_where_that_is_allowed() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    let mut ask = async |name: &str, create: bool| {
        let wanted = MetadataRequestTopic::default().with_name(Some(topic(name)));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![wanted]))
            .with_allow_auto_topic_creation(create);
        let response = client.call(&request, 12).await;
        assert_eq!(response.brokers[0].port, i32::from(broker.address.port()));
        response.topics[0].clone()
    };
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    assert_eq!(ask("t", false).await.error_code, unknown);
    assert_eq!(ask("t", true).await.partitions.len(), 1);
    assert_eq!(ask("t", false).await.error_code, 0);
    let invalid = ResponseError::InvalidTopicException.code();
    assert_eq!(ask("a/b", true).await.error_code, invalid);
    broker.stop().await;
}

#[tokio::test]
async fn offsets_are_found_by_time() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[]).await;
    client.produce("t", &["a", "b", "c"]).await;
    let mut find = async |timestamp_ms: i64| {
        let partition = ListOffsetsPartition::default().with_timestamp(timestamp_ms);
        let wanted =
            ListOffsetsTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_topics(vec![wanted]);
        let response = client.call(&request, 9).await;
        response.topics[0].partitions[0].offset
    };
    assert_eq!(find(-1).await, 3, "latest");
    assert_eq!(find(-2).await, 0, "earliest");
    assert_eq!(find(-3).await, 2, "newest timestamp");
    assert_eq!(find(*FIRST_TIMESTAMP_MS + 1).await, 1);
    assert_eq!(find(*FIRST_TIMESTAMP_MS + 3).await, -1, "nothing is that new");
    broker.stop().await;
}
