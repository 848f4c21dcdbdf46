//! Body: what a request brings, as it arrives and decompressed.
//!
//! ```text
//!  socket ─► frames ─► gzip │ zstd │ as it is ─► read(): what is there now, into the caller's buffer
//!                       └ window ≤ 8 MiB, decompressed bytes ≤ a limit
//! ```

use std::io;
use std::pin::Pin;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use axum::body;
use axum::http::StatusCode;
use bytes::BufMut as _;
use futures_util::{FutureExt as _, TryStreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::coop;
use tokio::time::timeout;
use tokio_util::io::StreamReader;

use super::media::Coding;
use crate::limits;
use crate::web::Problem;

/// The largest window of zstd, as a power of two: 8 MiB, which RFC 9659 sets for HTTP.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// The same in bytes: what a decoder of zstd takes.
pub(super) const ZSTD_WINDOW_BYTES: usize = 1 << ZSTD_WINDOW_LOG_MAX;

/// A body that is being read.
pub(super) struct Body {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    /// Bytes that may still come out of the decoder; without end where there is none, since those cost the client
    /// as much as they cost us.
    decoded_left: u64,
    end: Option<Result<(), Broken>>,
}

/// Why a body could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("no byte arrived for {} s", limits::BODY_READ.as_secs())]
    Slow,
    #[error("the connection ended within the body")]
    Cut,
    #[error("the compressed body is damaged or incomplete ({0})")]
    Damaged(String),
    #[error(
        "decompressed, the body has more than {} bytes; send it in parts",
        limits::DECODED_BYTES_MAX
    )]
    TooLarge,
}

impl From<Broken> for Problem {
    fn from(broken: Broken) -> Self {
        let (status, code) = match broken {
            Broken::Slow => (StatusCode::REQUEST_TIMEOUT, "body-too-slow"),
            Broken::Cut => (StatusCode::BAD_REQUEST, "body-not-read"),
            Broken::Damaged(_) => (StatusCode::BAD_REQUEST, "body-damaged"),
            Broken::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
        };
        Self::new(status, code, format!("Nothing was sent: {broken}."))
    }
}

impl Body {
    pub(super) fn new(body: body::Body, coding: Coding) -> Self {
        let frames = body.into_data_stream();
        // The kind tells the connection's errors from those of a decoder.
        let broken = |error| io::Error::new(io::ErrorKind::ConnectionAborted, error);
        let frames = StreamReader::new(frames.map_err(broken));
        let reader: Pin<Box<dyn AsyncRead + Send>> = match coding {
            Coding::Identity => Box::pin(frames),
            Coding::Gzip => {
                let mut decoder = GzipDecoder::new(frames);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            Coding::Zstd => {
                let window = DParameter::window_log_max(ZSTD_WINDOW_LOG_MAX);
                let mut decoder = ZstdDecoder::with_params(frames, &[window]);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
        };
        let decoded_left = match coding {
            Coding::Identity => u64::MAX,
            Coding::Gzip | Coding::Zstd => limits::DECODED_BYTES_MAX,
        };
        Self { reader, decoded_left, end: None }
    }

    /// Waits for bytes and appends what is there, at most `room` bytes. Answers 0 at the end.
    pub(super) async fn read(&mut self, to: &mut Vec<u8>, room: usize) -> Result<usize, Broken> {
        // A decoder always has more where a little goes a long way; other requests want their turn.
        coop::consume_budget().await;
        let mut read = 0;
        while read < room && self.end.is_none() {
            let mut rest = to.limit(room - read);
            let reading = self.reader.read_buf(&mut rest);
            let result = if read == 0 {
                timeout(limits::BODY_READ, reading).await.map_err(|_| Broken::Slow)
            } else {
                // Bytes that came together are handled together, but nobody waits for more.
                let Some(result) = reading.now_or_never() else { break };
                Ok(result)
            };
            read += self.note(result);
        }
        match &self.end {
            Some(Err(broken)) if read == 0 => Err(broken.clone()),
            _ => Ok(read),
        }
    }

    /// Takes down how a read went; what was read before an error is handled before the error.
    fn note(&mut self, result: Result<io::Result<usize>, Broken>) -> usize {
        let result = result.and_then(|read| {
            read.map_err(|error| match error.kind() {
                io::ErrorKind::ConnectionAborted => Broken::Cut,
                _ => Broken::Damaged(error.to_string()),
            })
        });
        match result {
            Ok(0) => self.end = Some(Ok(())),
            Ok(read) if read as u64 > self.decoded_left => self.end = Some(Err(Broken::TooLarge)),
            Ok(read) => {
                self.decoded_left -= read as u64;
                return read;
            }
            Err(broken) => self.end = Some(Err(broken)),
        }
        0
    }
}
