//! Naive consumer and producer, similar to those of many demos: the negative controls of a
//! campaign.
//!
//! They serve the same HTTP API as erboh's and are exact in the absence of faults.

mod consumer;
mod producer;

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use tokio::net::TcpListener;

pub(crate) use consumer::ConsumerFlags;
pub(crate) use producer::ProducerFlags;

/// Serves the same routes on both ports until the process is stopped.
async fn serve(listen: SocketAddr, ops_listen: SocketAddr, routes: Router) -> anyhow::Result<()> {
    let service = TcpListener::bind(listen).await.context("--listen")?;
    let ops = TcpListener::bind(ops_listen).await.context("--ops-listen")?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        ended = axum::serve(service, routes.clone()) => ended?,
        ended = axum::serve(ops, routes) => ended?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
