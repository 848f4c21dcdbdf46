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
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::limits::{
    FRAME_SILENCE, FRAME_STEP_BYTES, FRAME_TIME, IDLE_TIME, SMALL_FRAME_BYTES, SMALLEST_FRAME_BYTES,
};
use crate::wire::budget::{Budget, Share};

/// The bytes of a request after the length, and the memory that they count for.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) payload: Bytes,
    pub(crate) share: Option<Share>,
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
    #[error("the request was not complete after {} s", FRAME_TIME.as_secs())]
    Slow,
    #[error("no memory became free for a request of {0} bytes")]
    Memory(usize),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The requests of one connection, one after the other.
#[derive(Debug)]
pub(crate) struct Frames {
    inbox: BytesMut,
    budget: Budget,
    largest_bytes: usize,
}

impl Frames {
    pub(crate) fn new(budget: Budget, largest_bytes: usize) -> Self {
        Self { inbox: BytesMut::new(), budget, largest_bytes }
    }

    /// Waits for the next request. Not cancel safe within a request; a connection that is
    /// cancelled there is closed.
    pub(crate) async fn next(&mut self, stream: &mut TcpStream) -> Result<Frame, FrameError> {
        if self.inbox.is_empty() {
            let first = timeout(IDLE_TIME, self.first_bytes(stream)).await;
            first.map_err(|_| FrameError::Silent(IDLE_TIME))??;
        }
        let deadline = Instant::now() + FRAME_TIME;
        timeout_at(deadline, self.complete(stream)).await.map_err(|_| FrameError::Slow)?
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
            share = Some(self.budget.take(length).await.ok_or(FrameError::Memory(length))?);
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
            let read = timeout(FRAME_SILENCE, stream.read_buf(&mut room)).await;
            if read.map_err(|_| FrameError::Silent(FRAME_SILENCE))?? == 0 {
                return Err(FrameError::Half);
            }
        }
        Ok(())
    }
}
