//! What fuzz targets call: the parsers of bytes from outside. Not part of the API.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Runtime;

use crate::broker::Broker;
use crate::handlers::{self, Refused};
use crate::log::batch::{Batch, CRC_FROM};
use crate::log::{LogConfig, record::Records, validate};
use crate::settings::Settings;

/// Takes bytes as a client's record batches: checks them as for appending and reads their records, as
/// compaction does. No fuzzer would guess a checksum, so the bytes are given the right one.
///
/// # Panics
/// When what was accepted cannot be read record by record.
pub fn record_batches(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    if let Some((head, covered)) = bytes.split_at_mut_checked(CRC_FROM) {
        head[CRC_FROM - 4..].copy_from_slice(&crc32c::crc32c(covered).to_be_bytes());
    }
    let bytes = Bytes::from(bytes);
    if let Ok(batch) = Batch::split(&mut bytes.clone()) {
        // What was damaged on the disk is read, too.
        let _ = Records::of(&batch).map(|records| records.iter().count());
    }
    let config = LogConfig {
        max_message_bytes: usize::MAX,
        timestamp_after_max_ms: i64::MAX,
        ..LogConfig::default()
    };
    match validate::batches(bytes, &config, 0) {
        Err(error) => drop((error.error_code(), error.to_string())),
        Ok(batches) => batches.iter().for_each(reads_as_accepted),
    }
}

fn reads_as_accepted(batch: &Batch) {
    let header = &batch.header;
    let records = Records::of(batch).unwrap_or_else(|error| panic!("{error}"));
    let (mut count, mut newest_ms) = (0, -1);
    for record in records.iter() {
        let record = record.unwrap_or_else(|error| panic!("record {count}: {error}"));
        assert_eq!(record.offset, header.base_offset + count);
        newest_ms = newest_ms.max(record.timestamp_ms);
        count += 1;
    }
    assert_eq!(count, i64::from(header.records_count));
    assert_eq!(newest_ms, header.max_timestamp_ms);
}

/// A broker that answers requests without a socket.
#[derive(Debug)]
pub struct Requests {
    runtime: Runtime,
    broker: Arc<Broker>,
}

impl Requests {
    /// Opens a broker in this directory.
    ///
    /// # Panics
    /// When it cannot be opened.
    #[must_use]
    #[allow(clippy::unwrap_used, reason = "a fuzzer that cannot start should say so")]
    pub fn open(data_dir: &Path) -> Self {
        let settings = Settings { data_dir: data_dir.to_owned(), ..Settings::default() };
        let runtime = Runtime::new().unwrap();
        let broker = runtime.block_on(Broker::open(settings)).unwrap();
        Self { runtime, broker }
    }

    /// Takes bytes as the payload of a frame. An answer, a refusal or still waiting for others are
    /// all fine.
    ///
    /// # Panics
    /// When the answer cannot be encoded.
    pub fn answer(&self, payload: &[u8]) {
        let payload = Bytes::copy_from_slice(payload);
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let answer = handlers::answer(&self.broker, host, payload.into());
        let wait = Duration::from_millis(5);
        let answered = self.runtime.block_on(async { tokio::time::timeout(wait, answer).await });
        assert!(!matches!(answered, Ok(Err(Refused::Unencodable(_)))), "{answered:?}");
    }
}
