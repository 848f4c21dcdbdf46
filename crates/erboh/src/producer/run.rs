//! The producer as a process of its own: opens its ports, reaches for the queue, serves.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::access::Guard;
use super::simulations::{Rate, startup};
use super::{Producer, Settings, serve};
use crate::queue::{Admin, AdminError, KafkaSettings, Topics, Writer};
use crate::web::server;

/// Time between two tries to create topics: short, because a person may be waiting for the page.
const TOPICS_PAUSE: Duration = Duration::from_secs(1);

/// The same where the user may not create them: somebody who may has to come first, and brokers log
/// every refusal.
const DENIED_PAUSE: Duration = Duration::from_mins(1);

/// What a producer process is told.
#[derive(Debug, Clone)]
pub struct Role {
    /// Where the cluster is.
    pub kafka: KafkaSettings,
    /// Address of the page and the API.
    pub listen: SocketAddr,
    /// Address of `/livez`, `/readyz` and `/metrics`.
    pub ops_listen: SocketAddr,
    /// Whether missing topics are created here; if not, they are waited for.
    pub manage_topics: bool,
    /// Partitions of the ratings topic if it must be created.
    pub partitions: i32,
    /// Copies of each partition of topics that must be created; -1 leaves it to the cluster.
    pub replication: i32,
    /// Who may write.
    pub guard: Guard,
    /// How fast simulated researchers rate from the start on, if they are to.
    pub simulate: Option<Rate>,
    /// What the producer itself is told.
    pub settings: Settings,
}

/// Runs a producer until `shutdown`. It starts without a broker as well: it then says so on every
/// page, is not ready, and works as soon as there is one.
///
/// # Errors
/// A busy port, or settings that the Kafka client does not take.
pub async fn run(role: Role, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = server::bind(role.listen, "the producer's page", "--listen").await?;
    let ops = server::bind(role.ops_listen, "the producer's ops port", "--ops-listen").await?;
    let writer = Writer::connect(&role.kafka, &role.settings.topic)?;
    let (kafka, partitions, replication) = (role.kafka, role.partitions, role.replication);
    let topics = async move {
        if role.manage_topics {
            create_topics(kafka, partitions, replication).await;
        }
    };
    let address = listener.local_addr().context("the producer's port has no address")?;
    let ops_address = ops.local_addr().context("the ops port has no address")?;
    tracing::info!("producer on http://{address}/, ops on http://{ops_address}/");
    let stop = shutdown.clone();
    let creating = tokio::spawn(async move { stop.run_until_cancelled(topics).await });
    let queue = writer.clone();
    let producer = Producer::new(writer, role.settings).with_guard(role.guard);
    let (simulations, stop) = (producer.simulations.clone(), shutdown.clone());
    let simulating = async move {
        if let Some(rate) = role.simulate {
            startup::simulate(simulations, queue, rate, stop).await;
        }
    };
    tokio::join!(serve(listener, Some(ops), producer, shutdown), simulating);
    creating.await.context("the task that creates topics")?;
    Ok(())
}

/// Creates the topics that are missing as soon as the cluster answers. Until then the producer is
/// not ready, and says why itself.
async fn create_topics(kafka: KafkaSettings, partitions: i32, replication: i32) {
    let topics = Topics::default();
    loop {
        let created = match Admin::connect(&kafka) {
            Ok(admin) => admin.ensure_topics(&topics, partitions, replication).await,
            Err(error) => return tracing::error!(%error, "topics cannot be created"),
        };
        match created {
            Ok(()) => return,
            Err(error) => {
                let is_denied = matches!(error, AdminError::Denied { .. });
                tracing::warn!(%error, "the topics are not ready; trying again");
                tokio::time::sleep(if is_denied { DENIED_PAUSE } else { TOPICS_PAUSE }).await;
            }
        }
    }
}
