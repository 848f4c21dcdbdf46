//! The producer as a process of its own: opens its ports, reaches for the queue, serves.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::{Producer, Settings, serve};
use crate::queue::{KafkaSettings, Writer};
use crate::web::server;

/// What a producer process is told.
#[derive(Debug, Clone)]
pub struct Role {
    /// Where the cluster is.
    pub kafka: KafkaSettings,
    /// Address of the page and the API.
    pub listen: SocketAddr,
    /// Address of `/livez`, `/readyz` and `/metrics`.
    pub ops_listen: SocketAddr,
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
    let address = listener.local_addr().context("the producer's port has no address")?;
    let ops_address = ops.local_addr().context("the ops port has no address")?;
    tracing::info!("producer on http://{address}/, ops on http://{ops_address}/");
    serve(listener, Some(ops), Producer::new(writer, role.settings), shutdown).await;
    Ok(())
}
