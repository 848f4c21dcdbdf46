//! Body: what a request brings, as it arrives and decompressed.
//!
//! ```text
//!  socket ─► frames ─► gzip │ zstd │ as it is ─► read(): what is there now, into the caller's buffer
//!                       └ window ≤ 8 MiB, decompressed bytes ≤ a limit
//! ```

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use axum::body;
use bytes::BufMut as _;
use futures_util::{FutureExt as _, TryStreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::coop;
use tokio::time::timeout;
use tokio_util::io::StreamReader;

use super::media::Coding;
use crate::limits;
use crate::web::{Problem, kinds};

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
    /// How long it may say nothing.
    silence_max: Duration,
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
    #[error("the service is stopping")]
    Stopping,
    #[error(
        "another upload needed its place, and it gave no rating for {} s or left its answer unread",
        limits::STREAM_SILENCE.as_secs()
    )]
    SentAway,
    #[error("the queue is out of reach: {0}")]
    Unreachable(Arc<str>),
}

impl From<Broken> for Problem {
    fn from(broken: Broken) -> Self {
        let kind = match broken {
            Broken::Slow => kinds::BODY_TOO_SLOW,
            Broken::Cut => kinds::BODY_NOT_READ,
            Broken::Damaged(_) => kinds::BODY_DAMAGED,
            Broken::TooLarge => kinds::TOO_LARGE,
            Broken::Stopping => kinds::STOPPING,
            Broken::SentAway => kinds::TOO_BUSY,
            Broken::Unreachable(_) => kinds::QUEUE_UNAVAILABLE,
        };
        let problem = Self::new(kind, format!("Nothing was sent: {broken}."));
        match broken {
            Broken::Stopping | Broken::Unreachable(_) => problem.retry_after(limits::RETRY_AFTER),
            Broken::SentAway => problem.retry_after(limits::BUSY_RETRY_AFTER),
            _ => problem,
        }
    }
}

impl Body {
    pub(super) fn new(body: body::Body, coding: Coding) -> Self {
        Self::limited(body, coding, limits::DECODED_BYTES_MAX)
    }

    fn limited(body: body::Body, coding: Coding, decoded_bytes_max: u64) -> Self {
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
            Coding::Gzip | Coding::Zstd => decoded_bytes_max,
        };
        Self { reader, decoded_left, silence_max: limits::BODY_READ, end: None }
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
                timeout(self.silence_max, reading).await.map_err(|_| Broken::Slow)
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

#[cfg(test)]
mod tests {
    use async_compression::Level;
    use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
    use async_compression::zstd::CParameter;
    use bytes::Bytes;
    use futures_util::stream;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    const ROOM: usize = 1000;

    async fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzipEncoder::new(Vec::new());
        encoder.write_all(bytes).await.expect("memory takes it");
        encoder.shutdown().await.expect("memory takes it");
        encoder.into_inner()
    }

    async fn zstd(bytes: &[u8], window_log: u32) -> Vec<u8> {
        let window = [CParameter::window_log(window_log)];
        let mut encoder = ZstdEncoder::with_quality_and_params(Vec::new(), Level::Fastest, &window);
        encoder.write_all(bytes).await.expect("memory takes it");
        encoder.shutdown().await.expect("memory takes it");
        encoder.into_inner()
    }

    /// All that comes out of a body, and how it ended.
    async fn drain(mut body: Body) -> (Vec<u8>, Result<(), Broken>) {
        let mut all = Vec::new();
        loop {
            let before = all.len();
            match body.read(&mut all, ROOM).await {
                Ok(0) => return (all, Ok(())),
                Ok(read) => assert!(read <= ROOM && all.len() == before + read),
                Err(broken) => return (all, Err(broken)),
            }
        }
    }

    fn in_pieces(bytes: &[u8]) -> body::Body {
        let pieces: Vec<_> = bytes
            .chunks(7)
            .map(|piece| Ok::<_, io::Error>(Bytes::copy_from_slice(piece)))
            .collect();
        body::Body::from_stream(stream::iter(pieces))
    }

    fn text() -> Vec<u8> {
        (0..2000).flat_map(|number| format!("line {number}\n").into_bytes()).collect()
    }

    #[tokio::test]
    async fn what_was_compressed_comes_out_again() {
        let text = text();
        let twice = [gzip(&text).await, gzip(b"and more").await].concat();
        let (all, end) = drain(Body::new(in_pieces(&twice), Coding::Gzip)).await;
        assert_eq!((all, end), ([&text, &b"and more"[..]].concat(), Ok(())));
        for (bytes, coding) in
            [(text.clone(), Coding::Identity), (zstd(&text, 23).await, Coding::Zstd)]
        {
            assert_eq!(drain(Body::new(in_pieces(&bytes), coding)).await, (text.clone(), Ok(())));
        }
    }

    #[tokio::test]
    async fn damage_is_told_after_what_came_before_it() {
        let text = text();
        for (bytes, coding) in
            [(gzip(&text).await, Coding::Gzip), (zstd(&text, 20).await, Coding::Zstd)]
        {
            let (all, end) = drain(Body::new(in_pieces(&bytes[..bytes.len() - 9]), coding)).await;
            assert!(matches!(end, Err(Broken::Damaged(_))), "{coding:?} {end:?}");
            assert!(text.starts_with(&all), "{coding:?}");
            let (_, end) = drain(Body::new(in_pieces(&text), coding)).await;
            assert!(matches!(end, Err(Broken::Damaged(_))), "{coding:?} {end:?}");
        }
    }

    #[tokio::test]
    async fn a_bomb_ends_at_the_limit() {
        let zeros = vec![0; 100_000];
        for (bytes, coding) in
            [(gzip(&zeros).await, Coding::Gzip), (zstd(&zeros, 20).await, Coding::Zstd)]
        {
            let limited = |max| Body::limited(in_pieces(&bytes), coding, max);
            assert_eq!(drain(limited(100_000)).await, (zeros.clone(), Ok(())));
            let (all, end) = drain(limited(99_999)).await;
            assert_eq!(end, Err(Broken::TooLarge), "{coding:?}");
            assert!(all.len() <= 99_999 + ROOM);
        }
    }

    #[tokio::test]
    async fn a_window_larger_than_http_allows_is_refused() {
        let (_, end) = drain(Body::new(in_pieces(&zstd(&text(), 24).await), Coding::Zstd)).await;
        assert!(matches!(end, Err(Broken::Damaged(_))), "{end:?}");
    }

    #[tokio::test]
    async fn silence_and_a_cut_are_told_apart() {
        let silent = stream::iter([Ok::<_, io::Error>(Bytes::from_static(b"ab"))]);
        let silent = futures_util::StreamExt::chain(silent, stream::pending());
        let mut silent = Body::new(body::Body::from_stream(silent), Coding::Identity);
        silent.silence_max = Duration::from_millis(10);
        assert_eq!(drain(silent).await, (b"ab".to_vec(), Err(Broken::Slow)));
        let cut = stream::iter([Ok(Bytes::from_static(b"ab")), Err(io::Error::other("gone"))]);
        let (all, end) = drain(Body::new(body::Body::from_stream(cut), Coding::Identity)).await;
        assert_eq!((all, end), (b"ab".to_vec(), Err(Broken::Cut)));
    }
}
