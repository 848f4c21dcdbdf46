//! The embedded broker as a command: a Kafka that needs nothing but this binary.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use erboh_broker::Broker;
use tokio_util::sync::CancellationToken;

use crate::telemetry;
use crate::web::server;

/// What the embedded broker is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Directory of everything that it keeps.
    pub data_dir: PathBuf,
    /// Acknowledge only what is on the disk, not what is in the page cache.
    pub fsync_always: bool,
    /// Host and port that clients are told to use; where none, those that it listens on.
    pub advertise: Option<(String, u16)>,
    /// Topics that are created without saying how, or only by being used.
    pub new_topics: NewTopics,
}

/// Topics that are created without saying how, or only by being used.
#[derive(Debug, Clone, Copy)]
pub struct NewTopics {
    /// Partitions where the creator does not say how many, 1 to 10,000.
    pub partitions: i32,
    /// Create topics that clients use before they exist.
    pub auto_create: bool,
}

impl Default for NewTopics {
    fn default() -> Self {
        let broker = erboh_broker::Settings::default();
        Self { partitions: broker.default_partitions, auto_create: broker.auto_create_topics }
    }
}

/// How long a group that was empty waits for more members. Kafka's 3 s suit a cluster that
/// starts; on one machine they would only be 3 s of an empty board.
const FIRST_REBALANCE_MS: u64 = 100;

/// Opens the data directory and recovers what is in it.
///
/// # Errors
/// What the broker says about its directory, and the flag that chooses another.
pub async fn open(settings: Settings) -> anyhow::Result<Arc<Broker>> {
    let (host, port) = settings.advertise.unzip();
    let settings = erboh_broker::Settings {
        data_dir: settings.data_dir,
        advertised_host: host,
        advertised_port: port,
        auto_create_topics: settings.new_topics.auto_create,
        default_partitions: settings.new_topics.partitions,
        fsync_always: settings.fsync_always,
        group_initial_rebalance_delay_ms: FIRST_REBALANCE_MS,
        ..erboh_broker::Settings::default()
    };
    let opened = Broker::open(settings).await;
    opened.map_err(|error| anyhow::anyhow!("{error}. --data-dir chooses the data directory"))
}

/// Runs the broker alone until `shutdown`.
///
/// # Errors
/// A busy port, a data directory that cannot be used, or what could not be written at the end.
pub async fn run(
    listen: SocketAddr,
    settings: Settings,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let listener = server::bind(listen, "the Kafka port", "--listen").await?;
    let address = listener.local_addr().context("the Kafka port has no address")?;
    let directory = settings.data_dir.display().to_string();
    let broker = open(settings).await?;
    telemetry::say(&format!("kafka     {address}\ndata      {directory}"));
    broker.serve(listener, shutdown).await.context("the broker")
}
