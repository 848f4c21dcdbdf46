//! The same batches sent to Apache Kafka: what it refuses, the embedded broker refuses, and what both
//! take they store alike.

use std::net::SocketAddr;
use std::time::Duration;

use erboh_testbed::{Cluster, ClusterSettings};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use tokio::time::{Instant, sleep};

use crate::raw::{CODECS, RawBatch, RawRecord, records, unreadable};
use crate::support::{Client, Running};

/// The newest version with topic names.
const VERSION: i16 = 12;

/// What Kafka takes, all or some codecs of it, and the embedded broker does not: Kafka looks less
/// closely at the lengths of compressed records and at the offsets of uncompressed ones, and clears a
/// timestamp type that is not the client's to set.
const STRICTER: [&str; 5] = [
    "a record beyond the end",
    "a record shorter than its fields",
    "a record of negative length",
    "an offset that is not its place",
    "a timestamp type",
];

async fn kafka() -> (Cluster, SocketAddr) {
    let started = tokio::task::spawn_blocking(|| Cluster::start(&ClusterSettings::default()));
    let cluster = started.await.unwrap().unwrap();
    let address = cluster.bootstrap().parse().unwrap();
    (cluster, address)
}

#[tokio::test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
async fn what_kafka_refuses_is_refused_with_its_error() {
    let (_cluster, kafka) = kafka().await;
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut refused = 0;
    for (topic, config) in [
        ("plain", &[][..]),
        ("compacted", &[("cleanup.policy", "compact")]),
        ("append", &[("message.timestamp.type", "LogAppendTime")]),
    ] {
        let (mut ours, mut kafkas) = (broker.client().await, Client::connect(kafka).await);
        ours.create_topic(topic, 1, config).await;
        kafkas.create_topic(topic, 1, config).await;
        for (what, codec, batch) in cases() {
            let kafkas = produce_when_led(&mut kafkas, topic, &batch).await;
            let ours = ours.produce_batch(topic, batch.bytes(), VERSION).await;
            compare(what, &ours, &kafkas).unwrap_or_else(|wrong| {
                panic!("{what}, {codec}, topic {topic}: {wrong}\nours {ours:?}\nKafka's {kafkas:?}")
            });
            refused += usize::from(kafkas.error_code != 0);
        }
    }
    assert!(refused > 100, "Kafka has refused {refused} batches only");
    broker.stop().await;
}

fn compare(
    what: &str,
    ours: &PartitionProduceResponse,
    kafkas: &PartitionProduceResponse,
) -> Result<(), &'static str> {
    let named = |answer: &PartitionProduceResponse| -> Vec<i32> {
        answer.record_errors.iter().map(|it| it.batch_index).collect()
    };
    if STRICTER.contains(&what) {
        return if ours.error_code == 0 { Err("this was to be refused") } else { Ok(()) };
    }
    // Kafka has no error of its own for what its codecs throw.
    let invalid = ResponseError::InvalidRecord.code();
    let wanted = if kafkas.error_code == ResponseError::UnknownServerError.code() {
        invalid
    } else {
        kafkas.error_code
    };
    if ours.error_code != wanted {
        return Err("another error");
    }
    if !kafkas.record_errors.is_empty() && named(ours) != named(kafkas) {
        return Err("other records are named");
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
async fn what_is_taken_is_stored_as_kafka_stores_it() {
    let (_cluster, kafka) = kafka().await;
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let (mut ours, mut kafkas) = (broker.client().await, Client::connect(kafka).await);
    ours.create_topic("t", 1, &[]).await;
    kafkas.create_topic("t", 1, &[]).await;
    for (codec, _) in CODECS {
        let mut mixed = records(4);
        (mixed[1].timestamp_delta, mixed[2].timestamp_delta) = (700, -700);
        let batch = RawBatch::of(&mixed);
        for claimed in [batch.max_timestamp_ms, 0, -1, i64::MAX] {
            let batch = RawBatch { max_timestamp_ms: claimed, ..batch.clone() }.compressed(codec);
            assert_eq!(produce_when_led(&mut kafkas, "t", &batch).await.error_code, 0);
            assert_eq!(ours.produce_batch("t", batch.bytes(), VERSION).await.error_code, 0);
        }
    }
    let (ours, kafkas) = (ours.fetch("t", 0, 0).await, kafkas.fetch("t", 0, 0).await);
    assert_eq!(ours.high_watermark, 4 * 4 * CODECS.len() as i64);
    assert_eq!(ours.high_watermark, kafkas.high_watermark);
    assert_eq!(ours.records, kafkas.records);
    broker.stop().await;
}

/// Kafka says that a topic is there a moment before its leader takes records.
async fn produce_when_led(
    client: &mut Client,
    topic: &str,
    batch: &RawBatch,
) -> PartitionProduceResponse {
    let deadline = Instant::now() + Duration::from_secs(30);
    let not_yet = [ResponseError::UnknownTopicOrPartition, ResponseError::NotLeaderOrFollower];
    loop {
        let answer = client.produce_batch(topic, batch.bytes(), VERSION).await;
        if !not_yet.iter().any(|error| error.code() == answer.error_code) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{answer:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// What is special about a batch, its codec, and the batch.
fn cases() -> Vec<(&'static str, &'static str, RawBatch)> {
    let keyless = |index| RawRecord { key: None, ..RawRecord::at(index) };
    let late = RawRecord { timestamp_delta: 7_200_000, ..RawRecord::at(1) };
    let elsewhere = RawRecord { offset_delta: 7, ..RawRecord::at(1) };
    let good = RawBatch::of(&records(3));
    let mut plain = vec![
        ("nothing", good.clone()),
        ("no keys", RawBatch::of(&[RawRecord::at(0), keyless(1), keyless(2)])),
        ("too new", RawBatch::of(&[RawRecord::at(0), late.clone()])),
        ("too new and no key", RawBatch::of(&[keyless(0), late])),
        ("a wrong newest timestamp", RawBatch { max_timestamp_ms: 0, ..good.clone() }),
        ("a timestamp type", RawBatch { attributes: 8, ..good.clone() }),
        ("a control batch", RawBatch { attributes: 0x20, ..good.clone() }),
        ("an offset that is not its place", RawBatch::of(&[RawRecord::at(0), elsewhere])),
    ];
    plain.extend(unreadable().into_iter().map(|(what, batch, _)| (what, batch)));
    let mut cases = vec![("an unknown codec", "5", RawBatch { attributes: 5, ..good.clone() })];
    for (codec, name) in CODECS {
        cases.extend(plain.iter().map(|(what, batch)| (*what, name, batch.compressed(codec))));
        if codec != 0 {
            let declared = RawBatch { attributes: codec, ..good.clone() };
            let junk = RawBatch { body: vec![0xff; 40], ..declared.clone() };
            cases.extend([("not compressed", name, declared), ("junk bytes", name, junk)]);
        }
    }
    let linked = RawBatch { attributes: 3, body: linked_lz4(&good.body), ..good };
    cases.push(("linked blocks", "lz4", linked));
    cases
}

/// An lz4 frame whose blocks refer to earlier ones, which Java clients cannot read.
fn linked_lz4(body: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut linked = lz4::EncoderBuilder::new();
    let mut encoder = linked.block_mode(lz4::BlockMode::Linked).build(Vec::new()).unwrap();
    encoder.write_all(body).unwrap();
    encoder.finish().0
}
