//! A naive producer: answers as soon as a rating is in the queue of its Kafka client, which uses
//! acks=0.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Args;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use serde_json::{Value, json};

use super::super::observer::RATINGS;

/// Command-line options of the naive producer.
#[derive(Debug, Args)]
pub(crate) struct ProducerFlags {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    ops_listen: SocketAddr,
    #[arg(long)]
    brokers: String,
}

type Client = Arc<ThreadedProducer<DefaultProducerContext>>;

impl ProducerFlags {
    /// Serves until the process is stopped.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("acks", "0");
        config.set("partitioner", "murmur2_random").set("linger.ms", "50");
        let client: Client = Arc::new(config.create().context("the Kafka client")?);
        let routes = Router::new()
            .route("/api/v1/ratings", post(create))
            .route("/readyz", get(|| async { "ready" }))
            .with_state(client);
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(super::serve(self.listen, self.ops_listen, routes))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn create(State(client): State<Client>, body: String) -> (StatusCode, Json<Value>) {
    let rating: Value = serde_json::from_str(&body).unwrap_or_default();
    let id = rating["id"].as_str().unwrap_or_default();
    match client.send(BaseRecord::to(RATINGS).key(id).payload(&body)) {
        Ok(()) => (StatusCode::CREATED, Json(json!({"id": id, "partition": null, "offset": null}))),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({}))),
    }
}
