//! What Produce takes and what it refuses, record by record.

use std::io::Read;
use std::process::Command;

use erboh_broker::Settings;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{ListOffsetsRequest, ProduceRequest};

use crate::raw::{CODECS, RawBatch, RawRecord, lz4_encoder, put_varint, records, unreadable};
use crate::support::{Client, FIRST_TIMESTAMP_MS, Running, produce, settings, topic};

/// The newest version with topic names.
const VERSION: i16 = 12;

/// Index and message of each record that an answer names.
fn named(answer: &PartitionProduceResponse) -> Vec<(i32, String)> {
    let message = |text: &Option<kafka_protocol::protocol::StrBytes>| {
        text.as_ref().map(ToString::to_string).unwrap_or_default()
    };
    let named = answer.record_errors.iter();
    named.map(|it| (it.batch_index, message(&it.batch_index_error_message))).collect()
}

fn indexes(answer: &PartitionProduceResponse) -> Vec<i32> {
    answer.record_errors.iter().map(|it| it.batch_index).collect()
}

/// Refused as invalid, with a message, and with that record named.
fn assert_refused(what: &str, answer: &PartitionProduceResponse, index: Option<i32>) {
    assert_eq!(answer.error_code, ResponseError::InvalidRecord.code(), "{what}: {answer:?}");
    assert_eq!(answer.base_offset, -1, "{what}");
    assert!(!answer.error_message.as_ref().unwrap().is_empty(), "{what}");
    let named = named(answer);
    assert_eq!(
        named.iter().map(|(index, _)| *index).collect::<Vec<_>>(),
        index.into_iter().collect::<Vec<_>>(),
        "{what}"
    );
    assert!(named.iter().all(|(_, message)| !message.is_empty()), "{what}: {named:?}");
}

#[tokio::test]
async fn what_cannot_be_read_record_by_record_is_refused_by_every_topic_and_codec() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("deleted", 1, &[]).await;
    client.create_topic("compacted", 1, &[("cleanup.policy", "compact")]).await;
    for name in ["deleted", "compacted"] {
        for (codec, codec_name) in CODECS {
            for (what, batch, index) in unreadable() {
                let what = format!("{what}, {codec_name}, {name}");
                // What cannot be true of so few bytes is known before they are decompressed.
                let index = index.filter(|_| batch.count < 1_000_000 || codec == 0);
                let answer =
                    client.produce_batch(name, batch.compressed(codec).bytes(), VERSION).await;
                assert_refused(&what, &answer, index);
                // Not compressed at all, although the header says so.
                if codec != 0 {
                    let lie = RawBatch { attributes: codec, ..batch };
                    let answer = client.produce_batch(name, lie.bytes(), VERSION).await;
                    assert_refused(&what, &answer, answer.record_errors.first().map(|_| 0));
                }
            }
            let unknown = RawBatch { attributes: 5 + codec % 3, ..RawBatch::of(&records(1)) };
            let answer = client.produce_batch(name, unknown.bytes(), VERSION).await;
            assert_refused("an unknown codec", &answer, None);
        }
        let end = client.fetch(name, 0, 0).await.high_watermark;
        assert_eq!(end, 0, "nothing of all this is stored");
        for (codec, codec_name) in CODECS {
            let good = RawBatch::of(&records(3)).compressed(codec);
            let answer = client.produce_batch(name, good.bytes(), VERSION).await;
            assert_eq!(
                (answer.error_code, answer.base_offset),
                (0, i64::from(codec) * 3),
                "{codec_name}"
            );
        }
    }
    broker.stop().await;
}

#[tokio::test]
async fn offsets_that_are_not_the_records_places_are_refused() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[]).await;
    for (codec, name) in CODECS {
        for delta in [0, 1, 3, -1, i64::from(i32::MAX), i64::MAX] {
            let mut records = records(3);
            records[2].offset_delta = delta;
            let batch = RawBatch::of(&records).compressed(codec);
            let answer = client.produce_batch("t", batch.bytes(), VERSION).await;
            assert_refused(&format!("{delta}, {name}"), &answer, Some(2));
        }
    }
    broker.stop().await;
}

#[tokio::test]
async fn records_without_a_key_are_named_where_the_topic_is_compacted() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[("cleanup.policy", "compact")]).await;
    let mut five = records(5);
    (five[1].key, five[3].key) = (None, None);
    for (codec, _) in CODECS {
        let batch = RawBatch::of(&five).compressed(codec).bytes();
        let answer = client.produce_batch("t", batch.clone(), VERSION).await;
        assert_eq!(answer.error_code, ResponseError::InvalidRecord.code());
        let message = answer.error_message.as_ref().unwrap();
        assert!(message.contains("2 of the batch's 5 records"), "{message}");
        let named = named(&answer);
        assert_eq!(indexes(&answer), [1, 3]);
        assert!(named.iter().all(|(_, message)| message.contains("no key")), "{named:?}");
        // Fields of version 8 (KIP-467).
        let older = client.produce_batch("t", batch.clone(), 7).await;
        assert_eq!(older.error_code, ResponseError::InvalidRecord.code());
        assert_eq!((older.record_errors.len(), older.error_message), (0, None));
        let first = client.produce_batch("t", batch, 8).await;
        assert_eq!(indexes(&first), [1, 3]);
    }
    broker.stop().await;
}

#[tokio::test]
async fn timestamps_that_are_out_of_bounds_are_named() {
    const HOUR_MS: i64 = 3_600_000;
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("default", 1, &[]).await;
    client.create_topic("strict", 1, &[("message.timestamp.before.max.ms", "3600000")]).await;
    client
        .create_topic("any", 1, &[("message.timestamp.after.max.ms", "9223372036854775807")])
        .await;
    client.create_topic("append", 1, &[("message.timestamp.type", "LogAppendTime")]).await;
    let mut four = records(4);
    four[1].timestamp_delta = 2 * HOUR_MS;
    four[3].timestamp_delta = -2 * HOUR_MS;
    let mut check = async |name: &str, batch: &RawBatch, expected: &[i32]| {
        let answer = client.produce_batch(name, batch.bytes(), VERSION).await;
        let code = if expected.is_empty() { 0 } else { ResponseError::InvalidTimestamp.code() };
        assert_eq!((answer.error_code, &indexes(&answer)[..]), (code, expected), "{name}");
        let named = named(&answer);
        assert!(named.iter().all(|(_, it)| it.contains("message.timestamp.")), "{named:?}");
    };
    let batch = RawBatch::of(&four);
    check("default", &batch, &[1]).await;
    check("strict", &batch, &[1, 3]).await;
    check("any", &batch, &[]).await;
    check("append", &batch, &[]).await;
    // Time is as long as 64 bits, and -1 is no time.
    let endless = RawBatch { base_timestamp_ms: i64::MAX - 1, ..RawBatch::of(&records(2)) };
    check("default", &endless, &[0, 1]).await;
    let none = RawRecord { timestamp_delta: 0, ..RawRecord::at(0) };
    let none = RawBatch { base_timestamp_ms: -1, max_timestamp_ms: -1, ..RawBatch::of(&[none]) };
    check("strict", &none, &[]).await;
    // The type is the topic's.
    let typed = RawBatch { attributes: 8, ..RawBatch::of(&records(1)) };
    let answer = client.produce_batch("default", typed.bytes(), VERSION).await;
    assert_eq!(answer.error_code, ResponseError::InvalidTimestamp.code());
    let over = RawBatch { base_timestamp_ms: i64::MAX, ..RawBatch::of(&records(2)) };
    assert_refused("over", &client.produce_batch("any", over.bytes(), VERSION).await, Some(1));
    broker.stop().await;
}

#[tokio::test]
async fn the_newest_timestamp_is_that_of_the_records_whatever_the_header_says() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[]).await;
    let mut offset = 0;
    for (codec, name) in CODECS {
        for claimed in [0, -1, i64::MAX] {
            let batch = RawBatch { max_timestamp_ms: claimed, ..RawBatch::of(&records(3)) };
            let answer = client.produce_batch("t", batch.compressed(codec).bytes(), VERSION).await;
            assert_eq!((answer.error_code, answer.base_offset), (0, offset), "{name}");
            let fetched = client.fetch("t", offset, 0).await.records.unwrap();
            let newest = i64::from_be_bytes(fetched[35..43].try_into().unwrap());
            assert_eq!(newest, *FIRST_TIMESTAMP_MS + 2, "{name}");
            let crc = u32::from_be_bytes(fetched[17..21].try_into().unwrap());
            assert_eq!(crc, crc32c::crc32c(&fetched[21..]), "{name}");
            offset += 3;
        }
    }
    assert_eq!(newest_record(&mut client).await, (2, *FIRST_TIMESTAMP_MS + 2));
    broker.stop().await;
}

/// Offset and timestamp of the record with the newest timestamp.
async fn newest_record(client: &mut Client) -> (i64, i64) {
    let partition = ListOffsetsPartition::default().with_timestamp(-3);
    let wanted = ListOffsetsTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_topics(vec![wanted]);
    let answer = client.call(&request, 9).await.topics[0].partitions[0].clone();
    (answer.offset, answer.timestamp)
}

#[tokio::test]
async fn a_small_request_does_not_get_a_large_list_of_its_records() {
    const RECORDS: i64 = 100_000;
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 2, &[("cleanup.policy", "compact")]).await;
    let keyless = |index| RawRecord { key: None, ..RawRecord::at(index) };
    let batch = RawBatch::of(&(0..RECORDS).map(keyless).collect::<Vec<_>>()).compressed(4).bytes();
    let mut request: ProduceRequest = produce("t", -1, batch);
    let partitions = &mut request.topic_data[0].partition_data;
    partitions.push(partitions[0].clone().with_index(1));
    let answer = client.call(&request, VERSION).await;
    let [first, second] = &answer.responses[0].partition_responses[..] else {
        panic!("{answer:?}")
    };
    assert_eq!(indexes(first), (0..1_000).collect::<Vec<_>>());
    assert_eq!(indexes(second), Vec::<i32>::new());
    for partition in [first, second] {
        let message = partition.error_message.as_ref().unwrap();
        assert!(message.contains("100000 of the batch's 100000 records"), "{message}");
    }
    broker.stop().await;
}

/// Set for the process that runs the test below by itself.
const ALONE: &str = "ERBOH_TEST_ALONE";

/// It runs in a process of its own, whose memory is only its own.
#[test]
fn a_batch_takes_no_memory_for_what_it_decompresses_to() {
    if std::env::var_os(ALONE).is_some() {
        return tokio::runtime::Runtime::new().unwrap().block_on(bombs());
    }
    let test = "records::a_batch_takes_no_memory_for_what_it_decompresses_to";
    let mut alone = Command::new(std::env::current_exe().unwrap());
    let status = alone.args(["--exact", test, "--nocapture"]).env(ALONE, "1").status().unwrap();
    assert!(status.success(), "see above");
}

async fn bombs() {
    const MIB: u64 = 1 << 20;
    let data = tempfile::tempdir().unwrap();
    let broker =
        Running::start_with(Settings { fsync_interval_ms: 60_000, ..settings(data.path()) }).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[("max.message.bytes", "30000000")]).await;
    let before = peak_bytes();
    for (codec, name) in &CODECS[1..] {
        for (size, code) in [(40 * MIB, 0), (130 * MIB, ResponseError::InvalidRecord.code())] {
            let batch = RawBatch {
                attributes: *codec,
                body: inflated(*codec, size),
                ..RawBatch::of(&records(1))
            };
            let answer = client.produce_batch("t", batch.bytes(), VERSION).await;
            assert_eq!(answer.error_code, code, "{size} bytes, {name}: {answer:?}");
        }
    }
    // A request of snappy blocks is 6 MB, and there are a few copies of it.
    let grown = peak_bytes().saturating_sub(before);
    println!("{grown} bytes more at most");
    assert!(grown < 90 * MIB, "{grown} bytes more");
    broker.stop().await;
}

/// One record of `size` zeros as its value, compressed while it is made.
fn inflated(codec: i16, size: u64) -> Vec<u8> {
    let mut head = vec![0, 0, 0, 1]; // attributes, two deltas, no key
    put_varint(&mut head, size as i64);
    let mut length = Vec::new();
    put_varint(&mut length, (head.len() as u64 + size + 1) as i64);
    let head = [length, head].concat();
    let mut record = head.chain(std::io::repeat(0).take(size + 1));
    match codec {
        1 => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::copy(&mut record, &mut encoder).unwrap();
            encoder.finish().unwrap()
        }
        2 => {
            let mut out = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
            let mut block = Vec::new();
            while record.by_ref().take(1 << 16).read_to_end(&mut block).unwrap() > 0 {
                let compressed = snap::raw::Encoder::new().compress_vec(&block).unwrap();
                out.extend((compressed.len() as u32).to_be_bytes());
                out.extend(compressed);
                block.clear();
            }
            out
        }
        3 => {
            let mut encoder = lz4_encoder();
            std::io::copy(&mut record, &mut encoder).unwrap();
            encoder.finish().0
        }
        _ => zstd::stream::encode_all(record, 1).unwrap(),
    }
}

/// Memory that this process has held at most, where the system tells.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}
