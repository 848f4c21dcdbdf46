//! The HTTP/1.1 server under each role: accepts, limits, and stops in order.
//!
//! ```text
//!  accept ──(one of CONNECTIONS_MAX places)──► task per connection ──► router
//!  shutdown ──► no new connections ──► requests under way finish, idle ones close ──► cut off
//!                                      (at most `drain`)
//! ```

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::places::{Place, Places};
use super::socket::{Socket, Unread};
use crate::limits;

/// Pause after a failed accept, which means that the process is out of file descriptors: trying
/// again at once would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds an address for one purpose.
///
/// # Errors
/// Names the address, the cause and the flag that changes the address.
pub async fn bind(address: SocketAddr, purpose: &str, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let cause = match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "port {} on {} is already used, perhaps by an erboh that still runs",
                address.port(),
                address.ip()
            ),
            _ => format!("{address} cannot be opened ({error})"),
        };
        anyhow::anyhow!(
            "{purpose}: {cause}. Choose another address with {flag}, for example {flag} {}:{}",
            address.ip(),
            address.port().checked_add(10_000).unwrap_or(0)
        )
    })
}

/// Serves until `shutdown`, then lets requests under way finish for at most `drain`. `open` is how
/// many connections there are.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    open: &Gauge,
    shutdown: CancellationToken,
    drain: Duration,
) {
    let places = Places::new(connections_max()).counted_in(open);
    serve_in(places, listener, router, shutdown, drain).await;
}

/// As [`serve`], with a connection in each of `places`.
async fn serve_in(
    places: Places,
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    drain: Duration,
) {
    let tasks = TaskTracker::new();
    let cut_off = CancellationToken::new();
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok((socket, _)) => {
                    let place = places.take().await;
                    let connection = connection(socket, router.clone(), shutdown.clone(), place);
                    let cut_off = cut_off.clone();
                    tasks.spawn(async move { cut_off.run_until_cancelled(connection).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    shutdown.run_until_cancelled(accepting).await;
    drop(listener);
    tasks.close();
    if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "requests still under way were cut off");
        cut_off.cancel();
        tasks.wait().await;
    }
}

/// Half of the files that this process may open, as far as that is known: the Kafka client needs
/// some, and so do other listeners.
pub(super) fn connections_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    open_files_max(&limits)
        .map_or(limits::CONNECTIONS_MAX, |files| (files / 2).clamp(1, limits::CONNECTIONS_MAX))
}

/// `Max open files   <soft> <hard> files`, as Linux says it.
fn open_files_max(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

async fn connection(socket: TcpStream, router: Router, shutdown: CancellationToken, place: Place) {
    // Events and small answers go out at once instead of waiting for a full packet.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let service = TowerToHyperService::new(router);
    let unread = Unread::default();
    let answering = service_fn(|request: Request<Incoming>| {
        let request = request.map(|body| unread.watch(body));
        let (under_way, answer, unread) = (place.request(), service.call(request), &unread);
        async move {
            let mut answer = answer.await?;
            // Refused before it was read: the rest of it would be taken for the next request.
            if unread.is_left() && answer.status().as_u16() >= 400 {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer.map(|body| under_way.answered_by(body)))
        }
    });
    let socket = TokioIo::new(Socket::new(socket, unread.clone(), place.untaken()));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::HEADER_READ)
            .max_buf_size(limits::CONNECTION_BUFFER_BYTES)
            .max_headers(limits::HEADER_LINES_READ_MAX)
            .serve_connection(socket, answering)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = place.needed() => {
            connection.as_mut().graceful_shutdown();
            match futures_util::poll!(connection.as_mut()) {
                Poll::Ready(ended) => ended,
                // A request came in at the last moment: it is the last one, and gets its answer. If the
                // client does not take it, the socket ends this.
                Poll::Pending if !place.is_idle() => connection.await,
                // Half a request's headers, and somebody waits.
                Poll::Pending => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests;
