//! The broker: what all connections share, and the loop that accepts them.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection;
use crate::limits::ACCEPT_PAUSE;
use crate::settings::Settings;
use crate::wire::budget::Budget;

/// Why a broker did not start or ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range. The text names it and the range.
    #[error("{0}")]
    Setting(String),
    /// The listener has no address.
    #[error("the listening socket has no address: {0}")]
    Listener(std::io::Error),
}

/// What every connection shares. Always behind an `Arc`.
#[derive(Debug)]
pub struct Broker {
    pub(crate) settings: Settings,
    pub(crate) budget: Budget,
    /// Cancelled when the broker stops: handlers that wait give up then.
    pub(crate) stop: CancellationToken,
    listener: OnceLock<SocketAddr>,
}

impl Broker {
    /// Opens the data directory and recovers what is in it. When this returns, the broker is ready
    /// to serve.
    ///
    /// # Errors
    /// A setting that is out of range, or a data directory that cannot be used.
    pub fn open(settings: Settings) -> Result<Arc<Self>, Error> {
        settings.check().map_err(Error::Setting)?;
        Ok(Arc::new(Self {
            budget: Budget::new(settings.memory_bytes),
            stop: CancellationToken::new(),
            listener: OnceLock::new(),
            settings,
        }))
    }

    /// Accepts connections until `shutdown`, then lets requests in progress finish and closes the
    /// data directory. A broker serves once.
    ///
    /// # Errors
    /// The listener's failure, or what could not be written at the end.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        let address = listener.local_addr().map_err(Error::Listener)?;
        // A second listener would be a second call, which the documentation excludes.
        let _ = self.listener.set(address);
        let connections = TaskTracker::new();
        tokio::select! {
            () = self.accept(&listener, &connections) => {}
            () = shutdown.cancelled() => {}
        }
        drop(listener);
        self.stop.cancel();
        connections.close();
        connections.wait().await;
        Ok(())
    }

    async fn accept(self: &Arc<Self>, listener: &TcpListener, connections: &TaskTracker) {
        let places = Arc::new(Semaphore::new(self.settings.max_connections));
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::debug!(%peer, "connection closed: {} are open", self.settings.max_connections);
                continue;
            };
            // Answers are written whole; waiting to join them with later ones only adds delay.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%peer, "no TCP_NODELAY: {error}");
            }
            let broker = Arc::clone(self);
            connections.spawn(async move {
                connection::serve(broker, stream, peer).await;
                drop(place);
            });
        }
    }
}
