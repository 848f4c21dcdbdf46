//! The demo: broker, producer and board in one process on one machine.
//!
//! ```text
//!  open all ports ─► open the data ─► broker ─► engine, producer, board ─► caught up? ─► say where
//!  stop:  not ready ─► no new requests ─► requests finish ─► engine leaves ─► broker closes
//! ```
//!
//! Ports come first, so that a busy one is said before anything runs. The roles are the same as on
//! a cluster and talk to the broker over its port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::broker;
use crate::consumer::{self, View, engine};
use crate::limits;
use crate::ops::Stopping;
use crate::producer::access::Guard;
use crate::producer::{self, Producer};
use crate::queue::{Admin, KafkaSettings, Topics, Writer};
use crate::telemetry;
use crate::web::server::bind;

/// What the demo is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address of the producer's page.
    pub producer_listen: SocketAddr,
    /// Address of the board.
    pub consumer_listen: SocketAddr,
    /// Address of the embedded broker.
    pub kafka_listen: SocketAddr,
    /// What the embedded broker is told.
    pub broker: broker::Settings,
    /// Partitions of the ratings' topic when it is created.
    pub partitions: i32,
    /// What to do when the ratings' log is not the one that was counted.
    pub on_log_change: engine::OnLogChange,
    /// What to do when ratings were gone before they were counted.
    pub on_gap: engine::OnGap,
    /// Ratings that one hit of the producer's page generates.
    pub ratings_per_hit: usize,
    /// Who may write.
    pub guard: Guard,
}

/// The member's name in its group. With it, a demo that was killed gets its partitions back at
/// once instead of after the time that Kafka waits for a silent member.
const INSTANCE: &str = "demo";

/// Time between two looks whether the producer has found the broker.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// After this time without being ready, the demo says what it is waiting for.
const SAY_WHAT_IS_MISSING: Duration = Duration::from_secs(10);

/// The ports of the demo, open.
struct Ports {
    kafka: TcpListener,
    producer: TcpListener,
    consumer: TcpListener,
}

impl Ports {
    /// Opens them, and says of all that cannot be opened why: one answer is better than three runs.
    async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let opened = (
            bind(settings.kafka_listen, "the Kafka port", "--kafka-listen").await,
            bind(settings.producer_listen, "the producer's page", "--producer-listen").await,
            bind(settings.consumer_listen, "the board", "--consumer-listen").await,
        );
        match opened {
            (Ok(kafka), Ok(producer), Ok(consumer)) => Ok(Self { kafka, producer, consumer }),
            (kafka, producer, consumer) => {
                let errors = [kafka, producer, consumer].into_iter().filter_map(Result::err);
                let errors: Vec<String> = errors.map(|error| error.to_string()).collect();
                bail!("{}", errors.join("\n"))
            }
        }
    }
}

/// Where the demo is found, as it is told to people.
struct Places {
    producer: String,
    board: String,
    kafka: String,
    data: PathBuf,
}

/// Runs the demo until `shutdown`.
///
/// # Errors
/// A busy port, a data directory that cannot be used, or a broker that ended by itself.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let ports = Ports::open(&settings).await?;
    let kafka = reachable(&ports.kafka)?;
    let places = Places {
        producer: format!("http://{}/", reachable(&ports.producer)?),
        board: format!("http://{}/", reachable(&ports.consumer)?),
        kafka: kafka.to_string(),
        data: std::path::absolute(&settings.broker.data_dir).context("the data directory")?,
    };
    let broker = broker::open(settings.broker.clone()).await?;
    let broker_stop = CancellationToken::new();
    let mut broker = tokio::spawn(broker.serve(ports.kafka, broker_stop.clone()));
    // Whatever ends the roles ends the broker after them, and the other way round.
    let roles_stop = shutdown.child_token();
    let roles = roles(&settings, &places, ports.producer, ports.consumer, roles_stop.clone());
    tokio::pin!(roles);
    let ended = tokio::select! {
        ended = &mut roles => ended,
        ended = &mut broker => {
            roles_stop.cancel();
            // Without a broker they have nothing to wait for but answers under way.
            if tokio::time::timeout(limits::BROKER_GONE, roles).await.is_err() {
                tracing::debug!("the roles did not stop in time");
            }
            ended.context("the broker's task")?.context("the broker")?;
            bail!("the broker ended by itself");
        }
    };
    broker_stop.cancel();
    if let Ok(closed) = tokio::time::timeout(limits::BROKER_STOP, broker).await {
        closed.context("the broker's task")?.context("closing the broker")?;
    } else {
        tracing::warn!("the broker did not close in time; it recovers at the next start");
    }
    ended
}

async fn roles(
    settings: &Settings,
    places: &Places,
    producer_port: TcpListener,
    consumer_port: TcpListener,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let kafka = KafkaSettings::new(&places.kafka);
    let topics = Topics::default();
    let engine_settings = engine::EngineSettings {
        partitions: settings.partitions,
        instance_id: Some(INSTANCE.to_owned()),
        on_log_change: settings.on_log_change,
        on_gap: settings.on_gap,
        ..engine::EngineSettings::default()
    };
    // The roles would create the topics too, but not before they have missed them.
    let admin = Admin::connect(&kafka)?;
    let create = admin.ensure_topics(&topics, settings.partitions, -1);
    if let Some(Err(error)) = stop.run_until_cancelled(create).await {
        tracing::warn!(%error, "the topics are not there yet");
    }
    let engine = engine::start(kafka.clone(), engine_settings, &CancellationToken::new())?;
    let writer = Writer::connect(&kafka, &topics.ratings)?;
    let stopping = Stopping { drain: limits::DEMO_DRAIN, ..Stopping::default() };
    let producer_settings = producer::Settings {
        topic: topics.ratings.clone(),
        ratings_per_hit: settings.ratings_per_hit,
        board_url: Some(places.board.clone()),
        stopping,
    };
    let consumer_settings = consumer::Settings {
        topic: topics.ratings,
        producer_url: Some(places.producer.clone()),
        stopping,
    };
    let producer =
        Producer::new(writer.clone(), producer_settings).with_guard(settings.guard.clone());
    let (view, alive) = (engine.board(), consumer::alive(engine.health()));
    let newest = view.clone();
    let announcing = async {
        let ready = ready(&writer, newest);
        if stop.run_until_cancelled(ready).await.is_some() {
            announce(places);
        }
    };
    // All roles in one: too large for the stack of the future that waits for it.
    let serving = Box::pin(async {
        tokio::join!(
            producer::serve(producer_port, None, producer, stop.clone()),
            consumer::serve(consumer_port, None, consumer_settings, view, alive, stop.clone()),
            announcing,
        );
    });
    Ok(consumer::run::during(engine, serving, &stop).await?)
}

/// Waits until ratings can be sent and everything that was sent before this start is counted.
async fn ready(writer: &Writer, mut view: View) {
    let waiting = async {
        while writer.health().is_err() {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        // An engine that is gone has said why; there is nothing more to wait for.
        let Ok(first) = view.wait_for(|view| view.connected && view.readiness().is_ok()).await
        else {
            return;
        };
        let ends: Vec<i64> = first.partitions.iter().map(|view| view.end_offset).collect();
        drop(first);
        let counted = view.wait_for(|view| {
            view.partitions
                .iter()
                .zip(&ends)
                .all(|(view, end)| view.position >= *end || view.state.standstill().is_some())
        });
        drop(counted.await);
    };
    tokio::pin!(waiting);
    if tokio::time::timeout(SAY_WHAT_IS_MISSING, &mut waiting).await.is_err() {
        let writer = writer.health().err();
        tracing::warn!(writer, "not ready yet; the board says how far the counting is");
        waiting.await;
    }
}

/// Says where everything is, one line for each; programs may read these lines.
fn announce(places: &Places) {
    let Places { producer, board, kafka, data } = places;
    telemetry::say(&format!(
        "erboh is ready\n\n  producer  {producer}\n  board     {board}\n  kafka     {kafka}\n  \
         data      {}\n\nOpen the producer, then the board. Ctrl-C stops; the data stays.",
        data.display()
    ));
}

/// The address under which this machine reaches a port that may be open on all of its addresses.
fn reachable(listener: &TcpListener) -> anyhow::Result<SocketAddr> {
    let mut address = listener.local_addr().context("a port has no address")?;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(address)
}
