//! The consumer as a process of its own: opens its ports, starts the engine, serves the board.

use std::net::SocketAddr;
use std::pin::pin;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::engine::{self, Engine, EngineError, EngineSettings};
use super::{Settings, alive, serve};
use crate::limits;
use crate::queue::KafkaSettings;
use crate::web::server;

/// What a consumer process is told.
#[derive(Debug, Clone)]
pub struct Role {
    /// Where the cluster is.
    pub kafka: KafkaSettings,
    /// Address of the board and the API.
    pub listen: SocketAddr,
    /// Address of `/livez`, `/readyz` and `/metrics`.
    pub ops_listen: SocketAddr,
    /// What the engine is told.
    pub engine: EngineSettings,
    /// What the board's service is told.
    pub settings: Settings,
}

/// Runs a consumer until `shutdown`. It starts without a broker as well: it then says so on the
/// board, is not ready, and counts as soon as there is one.
///
/// # Errors
/// A busy port, settings that the Kafka client does not take, or an engine that cannot go on.
pub async fn run(role: Role, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = server::bind(role.listen, "the board's page", "--listen").await?;
    let ops = server::bind(role.ops_listen, "the consumer's ops port", "--ops-listen").await?;
    let address = listener.local_addr().context("the board's port has no address")?;
    let ops_address = ops.local_addr().context("the ops port has no address")?;
    tracing::info!("board on http://{address}/, ops on http://{ops_address}/");
    // The engine has a stop of its own: it counts until the last request has been answered.
    let engine = engine::start(role.kafka, role.engine, &CancellationToken::new())?;
    let (view, alive) = (engine.board(), alive(engine.health()));
    let stopping = shutdown.child_token();
    let serving = serve(listener, Some(ops), role.settings, view, alive, stopping.clone());
    Ok(during(engine, serving, &stopping).await?)
}

/// Serves what an engine counts until that ends by itself, and then stops the engine. An engine that cannot go on ends
/// the serving, by `stopping`: soon, because the process is to be started again.
///
/// # Errors
/// When the engine cannot go on. It is abandoned, as by a crash.
pub async fn during(
    engine: Engine,
    serving: impl Future<Output = ()>,
    stopping: &CancellationToken,
) -> Result<(), EngineError> {
    let mut health = engine.health();
    let mut serving = pin!(serving);
    let error = tokio::select! {
        () = &mut serving => {
            stop(engine).await;
            return health.check();
        }
        error = health.failed() => error,
    };
    tracing::error!(%error, "ending");
    let ending = async {
        tokio::time::sleep(limits::FAILED_NOTICE).await;
        stopping.cancel();
        tokio::time::sleep(limits::FAILED_DRAIN).await;
    };
    tokio::select! {
        () = serving => {}
        () = ending => tracing::warn!("requests still under way were cut off"),
    }
    Err(error)
}

/// Lets the engine write its last snapshots and leave the group, for as long as a stop may take.
/// What is not written by then is counted again by the next owner.
async fn stop(engine: Engine) {
    if tokio::time::timeout(limits::ROLE_FLUSH, engine.stop()).await.is_err() {
        tracing::warn!("the engine did not end in time; the next owner goes on from its snapshots");
    }
}
