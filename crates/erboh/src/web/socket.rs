//! Socket: the bytes of one connection, so that an answer arrives and nobody holds one for ever.
//!
//! ```text
//!  write   the client takes no byte for WRITE_STALL ─► an error, the connection ends
//!  close   no more answers (FIN) ─► closed
//!                 └ a body is unread? discard what the client still sends, at most for LINGER ─┘
//! ```
//!
//! Why discard: a request is often refused before its body was read. If the socket were closed with
//! the rest unread, the kernel would reset the connection, and the client's kernel would throw the
//! refusal away before the client has read it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::limits;

/// Bytes that are discarded at once.
const DISCARD_BYTES: usize = 16 * 1024;

/// The socket of one connection.
pub(super) struct Socket<S = TcpStream> {
    stream: S,
    unread: Unread,
    /// How long the client may take nothing, and what runs while it does.
    patience: Duration,
    stall: Option<Pin<Box<Sleep>>>,
    untaken: Untaken,
    closing: Closing,
}

enum Closing {
    NotYet,
    /// Answers have ended; the client may still be writing.
    Lingering(Pin<Box<Sleep>>),
    Done,
}

/// Whether the client has still to take what was written for it. An answer's body is gone by then.
#[derive(Clone, Default)]
pub(super) struct Untaken(Arc<AtomicBool>);

impl Untaken {
    /// Whether there is something.
    pub(super) fn is_left(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether the client may still be sending a body that nobody has read to its end.
#[derive(Clone, Default)]
pub(super) struct Unread(Arc<AtomicBool>);

impl Unread {
    /// The same body, which is unread until its end was seen.
    pub(super) fn watch(&self, body: Incoming) -> Watched {
        self.0.store(!body.is_end_stream(), Ordering::Relaxed);
        Watched { body, unread: self.clone() }
    }

    /// Whether there is something that nobody has read.
    pub(super) fn is_left(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body of a request.
pub(super) struct Watched {
    body: Incoming,
    unread: Unread,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        if frame.is_none() || this.body.is_end_stream() {
            this.unread.0.store(false, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<S> Socket<S> {
    /// Closes with care while `unread` says that a body is, and says in `untaken` whether something
    /// waits for the client.
    pub(super) fn new(stream: S, unread: Unread, untaken: Untaken) -> Self {
        let (patience, closing) = (limits::WRITE_STALL, Closing::NotYet);
        Self { stream, unread, patience, stall: None, untaken, closing }
    }

    /// Passes on what a write did; an error if the client has taken nothing for too long.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.untaken.0.store(written.is_pending(), Ordering::Relaxed);
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let patience = self.patience;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stall.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads no answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = &mut *self;
        if matches!(socket.closing, Closing::NotYet) {
            ready!(Pin::new(&mut socket.stream).poll_shutdown(context))?;
            if !socket.unread.is_left() {
                return Poll::Ready(Ok(()));
            }
            socket.closing = Closing::Lingering(Box::pin(sleep(limits::LINGER)));
        }
        let Closing::Lingering(rest) = &mut socket.closing else { return Poll::Ready(Ok(())) };
        let mut discarded = [0; DISCARD_BYTES];
        while rest.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut discarded);
            match ready!(Pin::new(&mut socket.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                // The client has closed its side, or is gone.
                _ => break,
            }
        }
        socket.closing = Closing::Done;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn what_a_client_still_sends_is_discarded_until_it_closes() {
        let (mut client, server) = tokio::io::duplex(64);
        let unread = Unread(Arc::new(AtomicBool::new(true)));
        let mut socket = Socket::new(server, unread, Untaken::default());
        let closing = tokio::spawn(async move { socket.shutdown().await });
        // More than fits into the pipe: somebody reads.
        client.write_all(&[7; 1024]).await.unwrap();
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0, "no answer comes any more");
        assert!(!closing.is_finished(), "it waits for the client");
        drop(client);
        closing.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_client_that_has_sent_everything_is_not_waited_for() {
        let (client, server) = tokio::io::duplex(64);
        let mut socket = Socket::new(server, Unread::default(), Untaken::default());
        let shutdown = std::pin::pin!(socket.shutdown());
        assert!(futures_util::poll!(shutdown).is_ready());
        drop(client);
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_loses_its_connection() {
        let (mut client, server) = tokio::io::duplex(64);
        let untaken = Untaken::default();
        let mut socket = Socket::new(server, Unread::default(), untaken.clone());
        socket.patience = Duration::from_millis(20);
        // It takes something in the middle, and is given as long again.
        socket.write_all(&[7; 64]).await.unwrap();
        assert!(!untaken.is_left(), "it fits into the pipe");
        client.read_exact(&mut [0; 32]).await.unwrap();
        let error = socket.write_all(&[7; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(untaken.is_left());
        drop(client);
    }
}
