//! The HTTP/1.1 server under each role: accepts, limits, and stops in order.
//!
//! ```text
//!  accept ──(a free slot of CONNECTIONS_MAX)──► task per connection ──► router
//!  shutdown ──► no new connections ──► requests under way finish, idle ones close ──► cut off
//!                                      (at most `drain`)
//! ```

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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

/// Serves until `shutdown`, then lets requests under way finish for at most `drain`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    drain: Duration,
) {
    let slots = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    let tasks = TaskTracker::new();
    let cut_off = CancellationToken::new();
    let accepting = async {
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((socket, _)) => {
                    let connection = connection(socket, router.clone(), shutdown.clone(), slot);
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

async fn connection(
    socket: TcpStream,
    router: Router,
    shutdown: CancellationToken,
    _slot: OwnedSemaphorePermit,
) {
    // Events and small answers go out at once instead of waiting for a full packet.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::HEADER_READ)
            .serve_connection(TokioIo::new(socket), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
