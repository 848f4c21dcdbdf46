//! What the broker itself remembers: a journal of key and JSON value, on a compacted log.
//!
//! ```text
//!  put([(key, value or none), …]) ──► one record batch ──► the log       all or nothing
//!  open ──► read the log from its start ──► newest value of each key
//! ```
//!
//! A batch is whole or, after a crash, cut off; that is what makes a `put` atomic. Compaction keeps
//! the newest value of each key, so the journal stays as large as what it remembers.

use crate::limits::{STORE_BATCH_BYTES_MAX, STORE_READ_BYTES, STORE_SEGMENT_BYTES};
use crate::log::batch::Batch;
use crate::log::record::{Records, Writer, build};
use crate::partition::{AppendError, FetchError, Fsync, Isolation, LogConfig, LogError, Partition};
use crate::time::now_ms;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// The journal. Cheap to clone; every clone is the same journal.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    partition: Partition,
}

impl Store {
    /// Opens or creates the journal in a directory of its own, and reads the newest value of each key.
    pub(crate) fn open(
        dir: PathBuf,
        fsync: Fsync,
    ) -> Result<(Self, BTreeMap<String, Value>), LogError> {
        let config = LogConfig {
            segment_bytes: STORE_SEGMENT_BYTES,
            delete: false,
            compact: true,
            max_message_bytes: STORE_BATCH_BYTES_MAX,
            // Nobody follows the journal, so a tombstone may go once it has been applied.
            delete_retention_ms: 0,
            ..LogConfig::default()
        };
        let partition = Partition::open(dir.clone(), config, fsync)?;
        let values = read_all(&partition).map_err(|cause| LogError { dir, cause })?;
        Ok((Self { partition }, values))
    }

    /// Sets the values of keys, or deletes them (`None`): all or nothing, also after a crash.
    pub(crate) async fn put(
        &self,
        changes: Vec<(String, Option<Value>)>,
    ) -> Result<(), AppendError> {
        if changes.is_empty() {
            return Ok(());
        }
        let now_ms = now_ms();
        let encoded: Vec<(String, Option<Vec<u8>>)> = changes
            .into_iter()
            .map(|(key, value)| Ok((key, value.map(|it| serde_json::to_vec(&it)).transpose()?)))
            .collect::<serde_json::Result<_>>()
            .map_err(io::Error::from)?;
        let records = encoded.iter().map(|(key, value)| (Some(key.as_bytes()), value.as_deref()));
        let batch = build(Writer::default(), now_ms, records);
        self.partition.append(batch, now_ms).await.map(drop)
    }

    /// As `Partition::maintain`: keeps the journal as small as what it remembers. Blocking.
    pub(crate) fn maintain(&self, now_ms: i64) -> io::Result<()> {
        self.partition.maintain(now_ms)
    }

    /// As `Partition::flush`. Blocking.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.partition.flush()
    }

    /// As `Partition::close`. Blocking.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.partition.close()
    }
}

fn read_all(partition: &Partition) -> io::Result<BTreeMap<String, Value>> {
    let mut values = BTreeMap::new();
    let offsets = partition.offsets();
    let mut offset = offsets.log_start;
    while offset < offsets.high_watermark {
        let fetched = partition.fetch(offset, STORE_READ_BYTES, Isolation::ReadUncommitted);
        let mut bytes = match fetched {
            Ok(fetched) => fetched.records,
            Err(FetchError::Io(error)) => return Err(error),
            Err(error) => return Err(io::Error::other(error)),
        };
        if bytes.is_empty() {
            break;
        }
        while !bytes.is_empty() {
            let batch = Batch::split(&mut bytes).map_err(io::Error::other)?;
            offset = batch.header.next_offset();
            apply(&batch, &mut values)?;
        }
    }
    Ok(values)
}

fn apply(batch: &Batch, values: &mut BTreeMap<String, Value>) -> io::Result<()> {
    let records = Records::of(batch).map_err(io::Error::other)?;
    for record in records.iter() {
        let record = record.map_err(io::Error::other)?;
        let key = String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned();
        match record.value {
            Some(value) => values.insert(key, serde_json::from_slice(value)?),
            None => values.remove(&key),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::testing::{LAZY, NOW_MS};
    use serde_json::json;
    use std::path::Path;

    fn open(dir: &Path) -> (Store, BTreeMap<String, Value>) {
        Store::open(dir.to_owned(), LAZY).unwrap()
    }

    #[tokio::test]
    async fn remembers_the_newest_value_of_each_key() {
        let dir = tempfile::tempdir().unwrap();
        let (store, values) = open(dir.path());
        assert!(values.is_empty());
        let change = |key: &str, value| (key.to_owned(), value);
        store
            .put(vec![change("a", Some(json!(1))), change("b", Some(json!({"x": null})))])
            .await
            .unwrap();
        store.put(vec![change("a", None), change("c", Some(json!("…")))]).await.unwrap();
        store.put(vec![]).await.unwrap();
        let expected: BTreeMap<String, Value> =
            [("b".to_owned(), json!({"x": null})), ("c".to_owned(), json!("…"))].into();
        assert_eq!(open(dir.path()).1, expected); // as after a kill
        store.close().unwrap();
        assert_eq!(open(dir.path()).1, expected);
    }

    #[tokio::test]
    async fn stays_as_small_as_what_it_remembers() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = open(dir.path());
        let long = "long ".repeat(20_000);
        let mut written = 0;
        for n in 0..300 {
            written += long.len() as u64;
            let key = format!("key-{}", n % 3);
            store.put(vec![(key, Some(json!(format!("{n} {long}"))))]).await.unwrap();
            store.maintain(NOW_MS).unwrap();
        }
        assert!(written > 6 * STORE_SEGMENT_BYTES);
        assert!(store.partition.size_bytes() < 3 * STORE_SEGMENT_BYTES);
        let values = open(dir.path()).1;
        let newest = |n: usize| values[&format!("key-{}", n % 3)].as_str().unwrap().to_owned();
        for n in 297..300 {
            assert!(newest(n).starts_with(&format!("{n} ")));
        }
    }
}
