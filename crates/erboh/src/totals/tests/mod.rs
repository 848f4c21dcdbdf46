//! What a log adds up to: golden vectors, hand-made cases and properties.

mod board;
mod cases;
mod golden;
mod limits;
mod model;
mod owners;
mod properties;

use super::{Outcome, PartitionTotals, Record, Snapshot};

/// A record of a log that a test has made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    offset: i64,
    timestamp_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl Entry {
    fn record(&self) -> Record<'_> {
        let Self { offset, timestamp_ms, .. } = *self;
        Record { offset, timestamp_ms, key: self.key.as_deref(), value: self.value.as_deref() }
    }
}

/// A log without holes whose records have these values, from `first_offset` on.
fn log(first_offset: i64, values: &[&str]) -> Vec<Entry> {
    let entry = |(offset, value): (i64, &&str)| Entry {
        offset,
        timestamp_ms: 1_760_000_000_000 + offset,
        key: Some(b"key".to_vec()),
        value: Some(value.as_bytes().to_vec()),
    };
    (first_offset..).zip(values).map(entry).collect()
}

/// The id that tests give the number `id`.
fn id(id: u8) -> String {
    format!("0198c5a0-0000-7000-8000-0000000000{id:02x}")
}

/// The value of a rating.
fn rating(number: u8, voice1: &str, voice2: &str, score: u8) -> String {
    let id = id(number);
    format!(
        r#"{{"id":"{id}","battle":"Adam vs Eve","voice1":"{voice1}","voice2":"{voice2}","rating":{score}}}"#
    )
}

/// One outcome a record.
fn apply(totals: &mut PartitionTotals, log: &[Entry]) -> Vec<Outcome> {
    log.iter().map(|entry| totals.apply(entry.record())).collect()
}

/// The snapshot at the position, through its bytes and checked on the way.
fn snapshot(totals: &PartitionTotals) -> Snapshot {
    let snapshot = totals.snapshot("test", 1);
    assert_eq!(Snapshot::from_json(&snapshot.to_json()), Ok(snapshot.clone()));
    snapshot
}
