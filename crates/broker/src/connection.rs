//! A connection: reads a request, answers it, reads the next.
//!
//! One request at a time, in order, as Apache Kafka does: that is what keeps the records of one
//! producer in order, and it bounds what a connection can ask for at one time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::handlers::{self, Refused};
use crate::limits::{ANSWER_TIME, STOP_GRACE};
use crate::wire::frame::{Frame, FrameError, Frames, Patience};

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the client did not take its answer within {} s", ANSWER_TIME.as_secs())]
    SlowReader,
    #[error("the answer could not be sent: {0}")]
    Write(std::io::Error),
    #[error("a request that wanted no answer failed")]
    Unanswered,
    #[error("the broker stops")]
    Stopped,
}

/// Serves a connection until either side ends it.
pub(crate) async fn serve(broker: Arc<Broker>, stream: TcpStream, peer: SocketAddr) {
    let stop = broker.stop.clone();
    let ended = tokio::select! {
        ended = requests(&broker, stream, peer) => ended,
        // Requests in progress may finish. `requests` itself stops between two of them.
        () = grace(&stop) => Ended::Stopped,
    };
    match ended {
        Ended::Frame(FrameError::Closed) | Ended::Stopped => {
            tracing::trace!(%peer, "connection ended");
        }
        Ended::Refused(Refused::Unencodable(_)) => tracing::error!(%peer, "{ended}"),
        ended => tracing::debug!(%peer, "connection closed: {ended}"),
    }
}

async fn requests(broker: &Arc<Broker>, mut stream: TcpStream, peer: SocketAddr) -> Ended {
    let mut frames = Frames::new(
        broker.request_budget.clone(),
        broker.settings.request_max_bytes,
        Patience::default(),
    );
    loop {
        let frame = tokio::select! {
            biased;
            () = broker.stop.cancelled() => return Ended::Stopped,
            frame = frames.next(&mut stream) => frame,
        };
        let done = match frame {
            // A handler's future is as large as the largest handler. Boxed, it costs an idle
            // connection nothing.
            Ok(frame) => Box::pin(request(broker, &mut stream, peer, frame)).await,
            Err(error) => Err(error.into()),
        };
        if let Err(ended) = done {
            return ended;
        }
    }
}

async fn request(
    broker: &Arc<Broker>,
    stream: &mut TcpStream,
    peer: SocketAddr,
    frame: Frame,
) -> Result<(), Ended> {
    let (answer, call) = handlers::answer(broker, peer.ip(), frame).await?;
    if let Some(mut answer) = answer {
        let written = timeout(ANSWER_TIME, stream.write_all_buf(&mut answer)).await;
        written.map_err(|_| Ended::SlowReader)?.map_err(Ended::Write)?;
    }
    if call.close.load(Ordering::Relaxed) { Err(Ended::Unanswered) } else { Ok(()) }
}

async fn grace(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(STOP_GRACE).await;
}
