//! Naive: consumer and producer as many demos have them, to be caught by the campaign.
//!
//! They speak the same HTTP as erboh's own and are exact as long as nothing goes wrong.

mod consumer;
mod producer;

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use tokio::net::TcpListener;

pub(crate) use consumer::ConsumerFlags;
pub(crate) use producer::ProducerFlags;

/// Serves the same routes on both ports until the process is ended.
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
