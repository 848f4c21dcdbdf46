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
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

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
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_millis());
        let encoded: Vec<(String, Option<Vec<u8>>)> = changes
            .into_iter()
            .map(|(key, value)| Ok((key, value.map(|it| serde_json::to_vec(&it)).transpose()?)))
            .collect::<serde_json::Result<_>>()
            .map_err(io::Error::from)?;
        let records = encoded.iter().map(|(key, value)| (Some(key.as_bytes()), value.as_deref()));
        let batch = build(Writer::default(), now_ms as i64, records);
        self.partition.append(batch, now_ms as i64).await.map(drop)
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
