//! A fetch that waits hears of everything that becomes readable, however it does.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, TopicName};

use super::coordination::{ask, broker};
use crate::broker::Broker;
use crate::log::record::{Writer, build};
use crate::settings::Settings;
use crate::time::now_ms;
use crate::transactions::{end, init_producer};

const VALUE_BYTES: usize = 5_000;

fn batch(writer: Writer) -> Bytes {
    build(writer, now_ms(), [(None, Some(&[7; VALUE_BYTES][..]))])
}

/// Fetches from the start of `t`, lets `act` go on as soon as the fetch waits, and returns how many
/// bytes came. The fetch itself would wait far longer than the test.
async fn fetch_while(broker: &Arc<Broker>, isolation_level: i8, act: impl Future) -> usize {
    let fetch = ask(broker, 12, |_| {
        let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default()
            .with_topic(TopicName("t".into()))
            .with_partitions(vec![partition]);
        FetchRequest::default()
            .with_max_wait_ms(200_000)
            .with_min_bytes(1_000)
            .with_max_bytes(1 << 20)
            .with_session_epoch(-1)
            .with_isolation_level(isolation_level)
            .with_topics(vec![topic])
    });
    // On the one thread of this test `act` begins when the fetch cannot go on.
    let both = async { tokio::join!(fetch, act) };
    let (mut fetched, _) =
        tokio::time::timeout(Duration::from_mins(1), both).await.expect("the fetch was not woken");
    fetched.responses.remove(0).partitions.remove(0).records.unwrap().len()
}

#[tokio::test]
async fn the_end_of_a_transaction_wakes_readers_of_committed_data() {
    let dir = tempfile::tempdir().unwrap();
    let broker = broker(&dir).await;
    let producer = init_producer(&broker, "tx", None, 60_000).await.unwrap();
    broker.transactions.add("tx", producer, &[("t".into(), 0)], None).await.unwrap();
    let partition = broker.topics.partition("t", 0).unwrap();
    let written = batch(Writer::idempotent(producer.0, producer.1, 0, true));
    partition.append(written, now_ms()).await.unwrap();
    // The marker alone is smaller than what the fetch waits for.
    let bytes = fetch_while(&broker, 1, end(&broker, "tx", producer, true)).await;
    assert!(bytes > VALUE_BYTES, "{bytes}");
}

#[tokio::test]
async fn the_flush_wakes_readers_of_what_was_written_before_they_came() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().to_owned();
    let settings = Settings { data_dir, fsync_always: true, ..Settings::default() };
    let broker = Broker::open(settings).await.unwrap();
    broker.topics.create("t", 1, std::collections::BTreeMap::default()).await.unwrap();
    let partition = broker.topics.partition("t", 0).unwrap();
    partition.write(batch(Writer::default()), now_ms());
    let bytes = fetch_while(&broker, 0, async { partition.flush().unwrap() }).await;
    assert!(bytes > VALUE_BYTES, "{bytes}");
}
