//! What fuzz targets call: the parsers of bytes from outside. Not part of the API.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Runtime;

use crate::broker::Broker;
use crate::handlers::{self, Refused};
use crate::log::{AppendError, batch::Batch, record::Records};
use crate::settings::Settings;

/// Takes bytes as a client's record batches: splits and checks them and walks their records, as
/// appending to a compacted topic and compaction do. The checksum is not asked for, since no fuzzer
/// would guess it.
pub fn record_batches(bytes: &[u8]) {
    let mut rest = Bytes::copy_from_slice(bytes);
    while let Ok(batch) = Batch::split(&mut rest) {
        let _ = batch.check_from_client().map_err(|error| AppendError::from(error).error_code());
        let Ok(records) = Records::of(&batch) else { continue };
        let count = records.iter().flatten().count();
        assert!(count <= batch.header.records_count as usize);
    }
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
