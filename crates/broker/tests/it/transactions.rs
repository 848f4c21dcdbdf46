//! Transactions and producers, as administrators see them.

use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::PartitionResponse;
use kafka_protocol::messages::describe_transactions_response::TransactionState;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, DescribeProducersRequest, DescribeTransactionsRequest,
    EndTxnRequest, InitProducerIdRequest, ListTransactionsRequest, ProducerId, TransactionalId,
};
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, Record, RecordBatchEncoder, RecordEncodeOptions,
    TimestampType,
};

use crate::support::{Client, Running, produce, topic};

const TIMEOUT_MS: i32 = 60_000;

fn transactional(id: &str) -> TransactionalId {
    TransactionalId(id.to_owned().into())
}

/// A producer with a transactional id.
struct Transactional {
    id: &'static str,
    producer_id: ProducerId,
    epoch: i16,
}

impl Transactional {
    async fn start(client: &mut Client, id: &'static str) -> Self {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(transactional(id)))
            .with_transaction_timeout_ms(TIMEOUT_MS);
        let answer = client.call(&request, 5).await;
        assert_eq!(answer.error_code, 0);
        Self { id, producer_id: answer.producer_id, epoch: answer.producer_epoch }
    }

    /// Begins a transaction with records in partition 0 of `t`; partition 1 is part of it too.
    async fn begin(&self, client: &mut Client, records: usize) {
        let part =
            AddPartitionsToTxnTopic::default().with_name(topic("t")).with_partitions(vec![1, 0]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(transactional(self.id))
            .with_v3_and_below_producer_id(self.producer_id)
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![part]);
        let answer = client.call(&request, 3).await;
        let results = &answer.results_by_topic_v3_and_below[0].results_by_partition;
        assert!(results.iter().all(|result| result.partition_error_code == 0), "{answer:?}");
        let request = produce("t", -1, self.batch(records))
            .with_transactional_id(Some(transactional(self.id)));
        let answer = client.call(&request, 9).await;
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0, "{answer:?}");
    }

    fn batch(&self, records: usize) -> Bytes {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let records: Vec<_> = (0..records)
            .map(|index| Record {
                transactional: true,
                control: false,
                delete_horizon: false,
                partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
                producer_id: self.producer_id.0,
                producer_epoch: self.epoch,
                timestamp_type: TimestampType::Creation,
                offset: index as i64,
                sequence: index as i32,
                timestamp: now.as_millis() as i64,
                key: None,
                value: Some(Bytes::from_static(b"value")),
                headers: std::iter::empty().collect(),
            })
            .collect();
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        let mut buffer = BytesMut::new();
        RecordBatchEncoder::encode(&mut buffer, &records, &options).unwrap();
        buffer.freeze()
    }

    async fn commit(&self, client: &mut Client) {
        let request = EndTxnRequest::default()
            .with_transactional_id(transactional(self.id))
            .with_producer_id(self.producer_id)
            .with_producer_epoch(self.epoch)
            .with_committed(true);
        assert_eq!(client.call(&request, 3).await.error_code, 0);
    }
}

async fn describe(client: &mut Client, id: &str) -> TransactionState {
    let request =
        DescribeTransactionsRequest::default().with_transactional_ids(vec![transactional(id)]);
    client.call(&request, 0).await.transaction_states[0].clone()
}

/// Ids and states, in order.
async fn list(
    client: &mut Client,
    request: ListTransactionsRequest,
    version: i16,
) -> Vec<(String, String)> {
    let answer = client.call(&request, version).await;
    assert_eq!(answer.error_code, 0);
    let states = answer.transaction_states.iter();
    let mut listed: Vec<_> = states
        .map(|it| (it.transactional_id.to_string(), it.transaction_state.to_string()))
        .collect();
    listed.sort();
    listed
}

fn listed(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(id, state)| ((*id).to_owned(), (*state).to_owned())).collect()
}

#[tokio::test]
async fn a_transaction_is_described_from_its_begin_to_its_end() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 2, &[]).await;
    let producer = Transactional::start(&mut client, "payments").await;
    let state = describe(&mut client, "payments").await;
    assert_eq!((&*state.transaction_state, state.transaction_start_time_ms), ("Empty", -1));

    producer.begin(&mut client, 3).await;
    let state = describe(&mut client, "payments").await;
    assert_eq!((state.error_code, &*state.transaction_state), (0, "Ongoing"));
    assert_eq!((state.producer_id, state.producer_epoch), (producer.producer_id, producer.epoch));
    assert_eq!(state.transaction_timeout_ms, TIMEOUT_MS);
    assert!(state.transaction_start_time_ms > 0);
    let [part] = &state.topics[..] else { panic!("one topic, not {state:?}") };
    assert_eq!((part.topic.as_str(), &part.partitions[..]), ("t", &[0, 1][..]));

    producer.commit(&mut client).await;
    let state = describe(&mut client, "payments").await;
    assert_eq!((&*state.transaction_state, state.topics), ("CompleteCommit", vec![]));

    let unknown = describe(&mut client, "nope").await;
    assert_eq!(unknown.error_code, ResponseError::TransactionalIdNotFound.code());
    let nameless = describe(&mut client, "").await;
    assert_eq!(nameless.error_code, ResponseError::InvalidRequest.code());
    broker.stop().await;
}

#[tokio::test]
async fn transactions_are_listed_by_state_producer_age_and_pattern() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 2, &[]).await;
    Transactional::start(&mut client, "idle").await;
    let open = Transactional::start(&mut client, "open").await;
    open.begin(&mut client, 1).await;

    let all = ListTransactionsRequest::default;
    let both = listed(&[("idle", "Empty"), ("open", "Ongoing")]);
    for version in 0..=2 {
        assert_eq!(list(&mut client, all(), version).await, both);
    }
    let just_open = listed(&[("open", "Ongoing")]);
    let by_state = all().with_state_filters(vec!["Ongoing".into(), "Asleep".into()]);
    let unknown = client.call(&by_state, 2).await.unknown_state_filters;
    assert_eq!(unknown.iter().map(|name| &**name).collect::<Vec<_>>(), ["Asleep"]);
    assert_eq!(list(&mut client, by_state, 2).await, just_open);
    let by_producer = all().with_producer_id_filters(vec![open.producer_id]);
    assert_eq!(list(&mut client, by_producer, 2).await, just_open);
    let old = all().with_duration_filter(3_600_000);
    assert_eq!(list(&mut client, old, 2).await, []);
    // It is older than 0 ms once the clock has gone on; an id without a transaction never is.
    let deadline = Instant::now() + Duration::from_mins(1);
    while list(&mut client, all().with_duration_filter(0), 2).await != just_open {
        assert!(Instant::now() < deadline, "it does not age");
    }

    let matching =
        |pattern: &'static str| all().with_transactional_id_pattern(Some(pattern.into()));
    assert_eq!(list(&mut client, matching("o.*"), 2).await, just_open);
    assert_eq!(list(&mut client, matching("pe|open"), 2).await, just_open);
    assert_eq!(list(&mut client, matching("pen"), 2).await, [], "not a part of the id");
    assert_eq!(list(&mut client, matching(""), 2).await, both);
    for wrong in ["(", "a)(b", "\\pL{999}{999}"] {
        let answer = client.call(&matching(wrong), 2).await;
        assert_eq!(answer.error_code, ResponseError::InvalidRegularExpression.code(), "{wrong}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn partitions_know_their_producers_and_open_transactions() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 2, &[]).await;
    client.produce("t", &["before"]).await;
    let producer = Transactional::start(&mut client, "payments").await;
    producer.begin(&mut client, 3).await;

    let partitions = async |client: &mut Client| -> Vec<PartitionResponse> {
        let wanted = |name, indexes| {
            TopicRequest::default().with_name(topic(name)).with_partition_indexes(indexes)
        };
        let topics = vec![wanted("t", vec![0, 1, 2]), wanted("nope", vec![0])];
        let request = DescribeProducersRequest::default().with_topics(topics);
        client.call(&request, 0).await.topics.into_iter().flat_map(|it| it.partitions).collect()
    };
    let found = partitions(&mut client).await;
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    let codes: Vec<_> = found.iter().map(|partition| partition.error_code).collect();
    assert_eq!(codes, [0, 0, unknown, unknown]);
    let [active] = &found[0].active_producers[..] else { panic!("one producer in {found:?}") };
    assert_eq!(active.producer_id, producer.producer_id);
    assert_eq!(active.producer_epoch, i32::from(producer.epoch));
    assert_eq!((active.last_sequence, active.current_txn_start_offset), (2, 1));
    assert!(active.last_timestamp > 0);
    assert_eq!(found[1].active_producers, [], "nothing was written there");

    producer.commit(&mut client).await;
    let found = partitions(&mut client).await;
    assert_eq!(found[0].active_producers[0].current_txn_start_offset, -1);
    broker.stop().await;
}
