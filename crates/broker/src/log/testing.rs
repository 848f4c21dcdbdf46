//! What the tests of logs share: building batches, and reading back every record.

use super::batch::Batch;
use super::record::{Records, Writer, build};
use crate::partition::{Fsync, Isolation, LogConfig, Partition};
use bytes::Bytes;
use std::path::Path;

/// Records are appended at this time unless a test says otherwise.
pub(crate) const NOW_MS: i64 = 1_800_000_000_000;

/// Flushed only when a test says so.
pub(crate) const LAZY: Fsync = Fsync::Periodic { interval_ms: 1000 };

pub(crate) fn open(dir: &Path, config: &LogConfig) -> Partition {
    Partition::open(dir.to_owned(), config.clone(), LAZY).unwrap()
}

/// A batch of records without keys.
pub(crate) fn values(values: &[&str]) -> Bytes {
    by(Writer::default(), values)
}

/// A batch of records without keys, of this producer.
pub(crate) fn by(writer: Writer, values: &[&str]) -> Bytes {
    build(writer, NOW_MS, values.iter().map(|it| (None, Some(it.as_bytes()))))
}

/// A batch of records with keys; an empty value is a tombstone.
pub(crate) fn keyed(records: &[(&str, &str)]) -> Bytes {
    build(
        Writer::default(),
        NOW_MS,
        records.iter().map(|(key, value)| {
            (Some(key.as_bytes()), (!value.is_empty()).then_some(value.as_bytes()))
        }),
    )
}

/// One record as a test sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) offset: i64,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// All records that a reader gets from `offset` on, skipping aborted transactions as clients do.
pub(crate) fn read_from(partition: &Partition, offset: i64, isolation: Isolation) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut offset = offset;
    let text = |it: Option<&[u8]>| String::from_utf8_lossy(it.unwrap_or_default()).into_owned();
    loop {
        let fetched = partition.fetch(offset, 1000, isolation).unwrap();
        let mut bytes = fetched.records;
        if bytes.is_empty() {
            return seen;
        }
        let mut aborting: Vec<i64> = Vec::new();
        let mut aborted = fetched.aborted;
        aborted.sort_by_key(|it| it.first_offset);
        let mut aborted = aborted.into_iter().peekable();
        while !bytes.is_empty() {
            let batch = Batch::split(&mut bytes).unwrap();
            batch.check_crc().unwrap();
            while let Some(it) = aborted.next_if(|it| it.first_offset <= batch.header.last_offset())
            {
                aborting.push(it.producer_id);
            }
            let producer_id = batch.header.producer_id;
            if batch.header.is_control() {
                aborting.retain(|it| *it != producer_id);
            } else if !(batch.header.is_transactional() && aborting.contains(&producer_id)) {
                let records = Records::of(&batch).unwrap();
                seen.extend(
                    records.iter().map(Result::unwrap).filter(|it| it.offset >= offset).map(|it| {
                        Seen { offset: it.offset, key: text(it.key), value: text(it.value) }
                    }),
                );
            }
            offset = batch.header.next_offset();
        }
    }
}

pub(crate) fn read_all(partition: &Partition) -> Vec<Seen> {
    read_from(partition, partition.offsets().log_start, Isolation::ReadUncommitted)
}

/// Only the values, in order.
pub(crate) fn all_values(partition: &Partition) -> Vec<String> {
    read_all(partition).into_iter().map(|it| it.value).collect()
}
