//! A frame is one request's bytes. It is read as the bytes arrive.
//!
//! ```text
//!  idle: no buffer ──readable──► 4 KiB ──announced more──► share of the budget ──► 256 KiB, doubling
//! ```
//!
//! The length that a client announces never sizes an allocation. It does take its share of the
//! memory budget, but only after the first 4 KiB have come, and gives it back when the client
//! stalls.

use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::{
    FRAME_SILENCE, FRAME_STEP_BYTES, FRAME_TIME, IDLE_TIME, PLAIN_REQUEST_BYTES,
    PLAIN_REQUEST_WEIGHT, SMALL_FRAME_BYTES, SMALLEST_FRAME_BYTES,
};
use crate::wire::budget::{Budget, Share};

/// The bytes of a request after the length, and the memory that they count for.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) payload: Bytes,
    pub(crate) share: Option<Share>,
}

impl From<Bytes> for Frame {
    /// A small frame, which counts for nothing.
    fn from(payload: Bytes) -> Self {
        Self { payload, share: None }
    }
}

/// Why no further frame comes from a connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the client closed the connection")]
    Closed,
    #[error("the client closed the connection within a request")]
    Half,
    #[error("a request of {0} bytes was announced, allowed are {SMALLEST_FRAME_BYTES} to {1}")]
    Length(i32, usize),
    #[error("the client sent nothing for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the request was not complete after {} s", .0.as_secs())]
    Slow(Duration),
    #[error("no memory became free for a request of {0} bytes")]
    Memory(usize),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Between two requests.
    pub(crate) idle: Duration,
    /// From the first byte of a request to its last.
    pub(crate) frame: Duration,
    /// Between two bytes of a request.
    pub(crate) silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { idle: IDLE_TIME, frame: FRAME_TIME, silence: FRAME_SILENCE }
    }
}

/// The requests of one connection, one after the other.
#[derive(Debug)]
pub(crate) struct Frames {
    inbox: BytesMut,
    budget: Budget,
    largest_bytes: usize,
    patience: Patience,
}

impl Frames {
    pub(crate) fn new(budget: Budget, largest_bytes: usize, patience: Patience) -> Self {
        Self { inbox: BytesMut::new(), budget, largest_bytes, patience }
    }

    /// Waits for the next request. Not cancel safe within a request; a connection that is
    /// cancelled there is closed.
    pub(crate) async fn next(&mut self, stream: &mut TcpStream) -> Result<Frame, FrameError> {
        if self.inbox.is_empty() {
            let idle = self.patience.idle;
            let first = timeout(idle, self.first_bytes(stream)).await;
            first.map_err(|_| FrameError::Silent(idle))??;
        }
        let most = self.patience.frame;
        timeout(most, self.complete(stream)).await.map_err(|_| FrameError::Slow(most))?
    }

    /// Waits without a buffer, so that an idle connection keeps none.
    async fn first_bytes(&mut self, stream: &TcpStream) -> Result<(), FrameError> {
        self.inbox = BytesMut::new();
        loop {
            stream.readable().await?;
            let mut buffer = BytesMut::with_capacity(SMALL_FRAME_BYTES);
            match stream.try_read_buf(&mut buffer) {
                Ok(0) => return Err(FrameError::Closed),
                Ok(_) => {
                    self.inbox = buffer;
                    return Ok(());
                }
                // Readiness may be announced for nothing.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn complete(&mut self, stream: &mut TcpStream) -> Result<Frame, FrameError> {
        self.fill(stream, 4, SMALL_FRAME_BYTES).await?;
        let announced =
            i32::from_be_bytes([self.inbox[0], self.inbox[1], self.inbox[2], self.inbox[3]]);
        let length = usize::try_from(announced)
            .ok()
            .filter(|length| (SMALLEST_FRAME_BYTES..=self.largest_bytes).contains(length))
            .ok_or(FrameError::Length(announced, self.largest_bytes))?;
        let mut share = None;
        if length > SMALL_FRAME_BYTES {
            self.fill(stream, SMALL_FRAME_BYTES, SMALL_FRAME_BYTES).await?;
            let is_produce = self.inbox[4..6] == (ApiKey::Produce as i16).to_be_bytes();
            // Before it takes memory from others, and its sender a minute to deliver it.
            if !is_produce && length > PLAIN_REQUEST_BYTES {
                return Err(FrameError::Length(announced, PLAIN_REQUEST_BYTES));
            }
            let weight = if is_produce { 1 } else { PLAIN_REQUEST_WEIGHT };
            let taken = self.budget.take(length.saturating_mul(weight)).await;
            share = Some(taken.ok_or(FrameError::Memory(length))?);
        }
        let step = if share.is_some() { FRAME_STEP_BYTES } else { SMALL_FRAME_BYTES };
        self.fill(stream, 4 + length, step).await?;
        let mut payload = self.inbox.split_to(4 + length).freeze();
        payload.advance(4);
        Ok(Frame { payload, share })
    }

    /// Reads until the inbox holds `wanted` bytes, and grows it by `step` or to the double. It never reads past a large frame, because what
    /// is left over would keep that frame's buffer alive without counting for it.
    async fn fill(
        &mut self,
        stream: &mut TcpStream,
        wanted: usize,
        step: usize,
    ) -> Result<(), FrameError> {
        while self.inbox.len() < wanted {
            let held = self.inbox.len();
            let most = wanted.max(SMALL_FRAME_BYTES) - held;
            self.inbox.reserve(most.min(held.max(step)));
            let mut room = (&mut self.inbox).limit(most);
            let silence = self.patience.silence;
            let read = timeout(silence, stream.read_buf(&mut room)).await;
            if read.map_err(|_| FrameError::Silent(silence))?? == 0 {
                return Err(FrameError::Half);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_mins(1);

    const PATIENT: Patience = Patience { idle: LONG, frame: LONG, silence: LONG };

    /// Both ends of a connection, and the frames that come out of one.
    async fn connection(patience: Patience) -> (TcpStream, TcpStream, Frames) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (client, server, Frames::new(Budget::new(1 << 20), 1 << 20, patience))
    }

    #[tokio::test]
    async fn frames_come_one_after_the_other_however_they_arrive() {
        let (mut client, mut server, mut frames) = connection(PATIENT).await;
        let large: Vec<u8> = (0..1_000_000u32).map(|at| at as u8).collect();
        let (first, last) = ([1; 9], [2; 8]);
        let mut sent = Vec::new();
        for payload in [&first[..], &large, &last, &large] {
            sent.extend((payload.len() as u32).to_be_bytes());
            sent.extend(payload);
        }
        let sending = tokio::spawn(async move { client.write_all(&sent).await.map(|()| client) });
        for payload in [&first[..], &large, &last, &large] {
            let frame = frames.next(&mut server).await.unwrap();
            assert!(frame.payload == payload, "{} bytes", payload.len());
            assert_eq!(frame.share.is_some(), payload.len() > SMALL_FRAME_BYTES);
        }
        drop(sending.await.unwrap().unwrap());
        assert!(matches!(frames.next(&mut server).await, Err(FrameError::Closed)));
    }

    #[tokio::test]
    async fn a_silent_client_is_not_waited_for() {
        let (_client, mut server, mut frames) =
            connection(Patience { idle: SHORT, ..PATIENT }).await;
        assert!(matches!(frames.next(&mut server).await, Err(FrameError::Silent(_))));
    }

    #[tokio::test]
    async fn a_client_that_stalls_gives_its_memory_back() {
        let (mut client, mut server, mut frames) =
            connection(Patience { silence: SHORT, ..PATIENT }).await;
        let mut half = vec![0; 10_000];
        half[..4].copy_from_slice(&500_000u32.to_be_bytes());
        client.write_all(&half).await.unwrap();
        assert!(matches!(frames.next(&mut server).await, Err(FrameError::Silent(_))));
        assert!(frames.budget.try_take(1 << 20).is_some(), "the share is still held");
    }

    #[tokio::test]
    async fn only_records_may_be_large() {
        for (key, is_taken) in [(ApiKey::Produce, true), (ApiKey::Fetch, false)] {
            let (mut client, mut server, mut frames) = connection(PATIENT).await;
            frames.largest_bytes = 2 * PLAIN_REQUEST_BYTES;
            let length = PLAIN_REQUEST_BYTES + 1;
            let mut sent = (length as u32).to_be_bytes().to_vec();
            sent.extend((key as i16).to_be_bytes());
            sent.resize(4 + length, 0);
            // The broker may close before it has read everything.
            let sending = tokio::spawn(async move { client.write_all(&sent).await.is_ok() });
            let frame = frames.next(&mut server).await;
            assert_eq!(frame.is_ok(), is_taken, "{frame:?}");
            drop(server);
            assert!(sending.await.unwrap() || !is_taken);
        }
    }

    #[tokio::test]
    async fn a_client_that_sends_byte_by_byte_has_an_end_too() {
        let (mut client, mut server, mut frames) =
            connection(Patience { frame: SHORT, ..PATIENT }).await;
        let dripping = tokio::spawn(async move {
            while client.write_all(&[0]).await.is_ok() {
                tokio::time::sleep(SHORT / 4).await;
            }
        });
        // The first four zeros would be a length that is refused.
        frames.inbox.extend_from_slice(&100_000u32.to_be_bytes());
        assert!(matches!(frames.next(&mut server).await, Err(FrameError::Slow(_))));
        drop(server);
        dripping.await.unwrap();
    }
}
