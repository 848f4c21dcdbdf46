//! The format, against another implementation of it.

use crate::fuzzing::record_batches;
use crate::log::batch::Batch;
use crate::log::record::{Marker, Records, Writer, build, control_batch, marker_of};
use crate::log::testing::NOW_MS;
use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use proptest::prelude::*;

fn record(offset: i64, key: Option<Bytes>, value: Option<Bytes>) -> Record {
    let headers = [("h".to_owned(), Some(Bytes::from_static(b"x"))), (String::new(), None)];
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id: 7,
        producer_epoch: 1,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence: offset as i32,
        timestamp: NOW_MS + offset * offset % 7,
        key,
        value,
        headers: headers.into_iter().map(|(k, v)| (StrBytes::from_string(k), v)).collect(),
    }
}

fn bytes() -> impl Strategy<Value = Option<Bytes>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from))
}

fn codec() -> impl Strategy<Value = Compression> {
    use Compression::{Gzip, Lz4, None, Snappy, Zstd};
    prop::sample::select(vec![None, Gzip, Snappy, Lz4, Zstd])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn reads_what_another_encoder_wrote(
        content in prop::collection::vec((bytes(), bytes()), 1..30),
        compression in codec(),
    ) {
        let records: Vec<Record> = content
            .into_iter()
            .enumerate()
            .map(|(at, (key, value))| record(at as i64, key, value))
            .collect();
        let mut encoded = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression };
        RecordBatchEncoder::encode(&mut encoded, &records, &options).unwrap();
        let mut encoded = encoded.freeze();
        let batch = Batch::split(&mut encoded).unwrap();
        prop_assert!(encoded.is_empty());
        batch.check_from_client().unwrap();
        let read = Records::of(&batch).unwrap();
        prop_assert_eq!(read.iter().count(), records.len());
        for (read, written) in read.iter().zip(&records) {
            let read = read.unwrap();
            prop_assert_eq!(read.offset, written.offset);
            prop_assert_eq!(read.timestamp_ms, written.timestamp);
            prop_assert_eq!(read.key, written.key.as_deref());
            prop_assert_eq!(read.value, written.value.as_deref());
        }
    }

    #[test]
    fn another_decoder_reads_what_we_wrote(
        content in prop::collection::vec((bytes(), bytes()), 1..30),
    ) {
        let pairs = content.iter().map(|(key, value)| (key.as_deref(), value.as_deref()));
        let mut built = build(Writer::idempotent(7, 1, 5, true), NOW_MS, pairs);
        let read = RecordBatchDecoder::decode(&mut built).unwrap().records;
        prop_assert_eq!(read.len(), content.len());
        for (at, (read, (key, value))) in read.iter().zip(&content).enumerate() {
            prop_assert_eq!((&read.key, &read.value), (key, value));
            prop_assert_eq!((read.offset, read.sequence), (at as i64, 5 + at as i32));
            prop_assert_eq!((read.producer_id, read.producer_epoch), (7, 1));
            prop_assert_eq!(read.timestamp, NOW_MS);
            prop_assert!(read.transactional && !read.control);
            prop_assert!(read.headers.is_empty());
        }
    }

    #[test]
    fn damaged_batches_are_refused_or_can_be_read(
        content in prop::collection::vec((bytes(), bytes()), 1..10),
        compression in codec(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let records: Vec<Record> = content
            .into_iter()
            .enumerate()
            .map(|(at, (key, value))| record(at as i64, key, value))
            .collect();
        let mut encoded = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression };
        RecordBatchEncoder::encode(&mut encoded, &records, &options).unwrap();
        for (at, byte) in damage {
            let at = at.index(encoded.len());
            encoded[at] = byte;
        }
        record_batches(&encoded);
        record_batches(&encoded[..cut.index(encoded.len())]);
    }
}

#[test]
fn markers_say_what_kafka_says() {
    for (marker, kind) in [(Marker::Abort, 0), (Marker::Commit, 1)] {
        let mut bytes = control_batch(7, 3, marker, NOW_MS);
        let read = RecordBatchDecoder::decode(&mut bytes.clone()).unwrap().records;
        assert!(read[0].control && read[0].transactional);
        assert_eq!(read[0].key.as_deref(), Some(&[0, 0, 0, kind][..]));
        assert_eq!(read[0].value.as_deref(), Some(&[0; 6][..]));
        assert_eq!(marker_of(&Batch::split(&mut bytes).unwrap()), Some(marker));
    }
}
