//! The broker: what all connections share, from opening the data directory to closing it.
//!
//! ```text
//!  <data>/lock       held by the broker that uses the directory
//!  <data>/metadata/  the store: topics, groups' offsets, transactions
//!  <data>/topics/    one directory per partition
//! ```

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kafka_protocol::protocol::StrBytes;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::background::{Background, Ended};
use crate::connection;
use crate::data_lock::DataLock;
use crate::groups::Groups;
use crate::limits::ACCEPT_PAUSE;
use crate::maintenance;
use crate::partition::Fsync;
use crate::settings::{Settings, partitions_max};
use crate::store::Store;
use crate::topics::Topics;
use crate::transactions::{self, Transactions};
use crate::wire::budget::Budget;

/// This broker's id in answers. It is the only one, so it leads everything.
pub(crate) const NODE_ID: i32 = 1;

/// The epoch of the only leader there ever is. It stays 0 also when recovery has cut off the end of a
/// log, so clients that compare epochs (KIP-320) do not learn of it.
pub(crate) const LEADER_EPOCH: i32 = 0;

/// Why a broker did not start or ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range. The text names it and the range.
    #[error("{0}")]
    Setting(String),
    /// Another process uses the data directory.
    #[error(
        "another broker{} uses the data directory {}; stop it or choose another directory",
        .pid.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default(),
        .dir.display()
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The process that says it holds the lock.
        pid: Option<String>,
    },
    /// The data directory cannot be read or written.
    #[error("the data directory {} cannot be used: {reason}", .dir.display())]
    Data {
        /// The directory.
        dir: PathBuf,
        /// What went wrong, with the file's name where one is known.
        reason: String,
    },
    /// A task that the broker cannot do without ended or panicked. Nothing was closed: the next start
    /// recovers what is in the data directory, as after a crash.
    #[error("the broker's task \"{task}\" failed ({reason}); start the broker again")]
    Task {
        /// What the task does.
        task: &'static str,
        /// Its panic, if it had one.
        reason: String,
    },
    /// The listener has no address.
    #[error("the listening socket has no address: {0}")]
    Listener(std::io::Error),
}

impl From<Ended> for Error {
    fn from(Ended { task, reason }: Ended) -> Self {
        Self::Task { task, reason }
    }
}

/// Where clients are told to connect to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Endpoint {
    pub(crate) host: StrBytes,
    pub(crate) port: i32,
}

/// What every connection shares. Always behind an `Arc`.
#[derive(Debug)]
pub struct Broker {
    pub(crate) settings: Settings,
    pub(crate) cluster_id: StrBytes,
    pub(crate) topics: Arc<Topics>,
    pub(crate) groups: Groups,
    pub(crate) transactions: Transactions,
    pub(crate) store: Arc<Store>,
    /// Memory for requests, and memory for answers: clients that do not take their answers cannot
    /// keep others from writing.
    pub(crate) request_budget: Budget,
    pub(crate) answer_budget: Budget,
    /// Cancelled when the broker stops: handlers that wait give up then.
    pub(crate) stop: CancellationToken,
    endpoint: OnceLock<Endpoint>,
    /// Held until everything above is closed.
    _lock: DataLock,
}

impl Broker {
    /// Opens the data directory and recovers what is in it. When this returns, the broker is ready
    /// to serve.
    ///
    /// # Errors
    /// A setting that is out of range, or a data directory that cannot be used or is in use.
    pub async fn open(settings: Settings) -> Result<Arc<Self>, Error> {
        settings.check().map_err(Error::Setting)?;
        let dir = settings.data_dir.clone();
        let failed = |reason: String| Error::Data { dir: dir.clone(), reason };
        let lock = DataLock::take(&dir)?;
        let fsync = if settings.fsync_always {
            Fsync::Always
        } else {
            Fsync::Periodic { interval_ms: settings.fsync_interval_ms }
        };
        let data = dir.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let metadata = data.join("metadata");
            let (store, known) = Store::open(metadata, fsync).map_err(|error| error.to_string())?;
            let store = Arc::new(store);
            let dir = data.join("topics");
            let topics = Topics::open(dir, fsync, Arc::clone(&store), &known, partitions_max())?;
            Ok((store, topics, known))
        });
        let opened: Result<_, String> = opened.await.map_err(|error| failed(error.to_string()))?;
        let (store, topics, known) = opened.map_err(failed)?;
        let delay = Duration::from_millis(settings.group_initial_rebalance_delay_ms);
        Ok(Arc::new(Self {
            cluster_id: cluster_id(&store, &known).await.map_err(failed)?,
            topics: Arc::new(topics),
            groups: Groups::open(Arc::clone(&store), &known, delay),
            transactions: Transactions::open(Arc::clone(&store), &known),
            store,
            request_budget: Budget::new(settings.memory_bytes / 2),
            answer_budget: Budget::new(settings.memory_bytes / 2),
            stop: CancellationToken::new(),
            endpoint: OnceLock::new(),
            settings,
            _lock: lock,
        }))
    }

    /// Accepts connections until `shutdown`, then lets requests in progress finish and closes the
    /// data directory. A broker serves once.
    ///
    /// # Errors
    /// The listener's failure, what could not be written at the end, or at once, when one of the
    /// broker's own tasks ends or panics ([`Error::Task`]).
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        let address = listener.local_addr().map_err(Error::Listener)?;
        let own = if address.ip().is_unspecified() {
            "localhost".to_owned()
        } else {
            address.ip().to_string()
        };
        let host = self.settings.advertised_host.clone().unwrap_or(own);
        let port = self.settings.advertised_port.unwrap_or(address.port());
        // Set only once: a broker serves once.
        let _ = self.endpoint.set(Endpoint { host: host.into(), port: port.into() });

        transactions::abort_unowned(&self).await;
        let background = self.start_background();
        self.run(listener, background, shutdown).await
    }

    fn start_background(self: &Arc<Self>) -> Background {
        let mut background = Background::default();
        background.spawn("maintenance", maintenance::run(Arc::clone(self)));
        if !self.settings.fsync_always {
            background.spawn("flush", maintenance::run_flush(Arc::clone(self)));
        }
        background.spawn("group timers", self.groups.clone().run_timers(self.stop.clone()));
        background.spawn("transaction time-outs", transactions::run_sweep(Arc::clone(self)));
        let broker = Arc::clone(self);
        background.spawn("journals", async move {
            tokio::select! {
                () = broker.stop.cancelled() => {}
                () = broker.groups.journal_ended() => {}
                () = broker.transactions.journal_ended() => {}
            }
        });
        background
    }

    async fn run(
        self: Arc<Self>,
        listener: TcpListener,
        mut background: Background,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        let connections = TaskTracker::new();
        let failed = tokio::select! {
            never = self.accept(&listener, &connections) => match never {},
            () = shutdown.cancelled() => None,
            ended = background.ended() => Some(ended),
        };
        drop(listener);
        self.stop.cancel();
        if let Some(ended) = failed {
            return Err(ended.into());
        }
        connections.close();
        connections.wait().await;
        background.join().await?;
        self.close().await
    }

    async fn accept(
        self: &Arc<Self>,
        listener: &TcpListener,
        connections: &TaskTracker,
    ) -> Infallible {
        let most = self.settings.connections();
        let places = Arc::new(Semaphore::new(most));
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
                tracing::debug!(%peer, "connection closed: {most} are open");
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

    /// Where clients are told to connect to. Empty before the broker serves.
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint.get().cloned().unwrap_or_default()
    }

    /// The absolute path of the data directory.
    pub(crate) fn log_dir(&self) -> StrBytes {
        let dir = &self.settings.data_dir;
        let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
        absolute.display().to_string().into()
    }

    async fn close(self: Arc<Self>) -> Result<(), Error> {
        let dir = self.settings.data_dir.clone();
        let closed = tokio::task::spawn_blocking(move || {
            let partitions = self.topics.all().into_iter().flat_map(|topic| topic.partitions());
            let mut failures: Vec<_> =
                partitions.filter_map(|partition| partition.close().err()).collect();
            failures.extend(self.store.close().err());
            failures.into_iter().next().map_or(Ok(()), Err)
        });
        let closed = closed.await.map_err(std::io::Error::other).flatten();
        closed.map_err(|error| Error::Data { dir, reason: error.to_string() })
    }
}

/// The cluster's id, made at the first start.
async fn cluster_id(
    store: &Store,
    known: &std::collections::BTreeMap<String, Value>,
) -> Result<StrBytes, String> {
    const KEY: &str = "cluster/id";
    if let Some(Value::String(id)) = known.get(KEY) {
        return Ok(id.clone().into());
    }
    let id = Uuid::new_v4().simple().to_string();
    let put = store.put(vec![(KEY.to_owned(), Some(Value::String(id.clone())))]).await;
    put.map_err(|error| error.to_string())?;
    Ok(id.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn opened(dir: &tempfile::TempDir) -> (Arc<Broker>, TcpListener) {
        let settings = Settings { data_dir: dir.path().to_owned(), ..Settings::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (Broker::open(settings).await.unwrap(), listener)
    }

    /// How the broker ends after `spoil` has had its way with its tasks. It is never asked to stop.
    async fn ends(spoil: impl FnOnce(&mut Background)) -> (&'static str, String) {
        let dir = tempfile::tempdir().unwrap();
        let (broker, listener) = opened(&dir).await;
        let mut background = broker.start_background();
        spoil(&mut background);
        let served = broker.run(listener, background, CancellationToken::new());
        let served = tokio::time::timeout(Duration::from_secs(20), served).await;
        match served.expect("the broker goes on without its task") {
            Err(Error::Task { task, reason }) => (task, reason),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_broker_that_loses_one_of_its_tasks_ends() {
        let dir = tempfile::tempdir().unwrap();
        let (broker, _) = opened(&dir).await;
        let background = broker.start_background();
        let names: Vec<_> = background.handles().iter().map(|(_, name)| *name).collect();
        let expected =
            ["maintenance", "flush", "group timers", "transaction time-outs", "journals"];
        assert_eq!(names, expected);
        for (index, name) in expected.into_iter().enumerate() {
            let (task, _) = ends(|background| background.handles()[index].0.abort()).await;
            assert_eq!(task, name);
        }
    }

    #[tokio::test]
    async fn the_error_says_what_panicked_and_why() {
        let (task, reason) =
            ends(|background| background.spawn("doomed", async { panic!("out of luck") })).await;
        assert_eq!(task, "doomed");
        assert!(reason.contains("out of luck"), "{reason}");
    }
}
