//! The board in this process, and the engine behind it.

use axum::Router;
use erboh::consumer::engine::{self, Engine, EngineSettings};
use erboh::consumer::{Consumer, Settings, router};
use erboh::ops::Stopping;
use erboh::queue::{KafkaSettings, Topics};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::broker::PARTITIONS;
use super::wait::until;
use crate::web::get;

/// What a consumer is told unless a test says otherwise.
pub(crate) fn settings() -> Settings {
    let topic = Topics::default().ratings;
    Settings { topic, producer_url: None, stopping: Stopping::default() }
}

/// The board and the engine behind it.
pub(crate) struct Board {
    engine: Engine,
    pub(crate) router: Router,
}

impl Board {
    /// Counts what is on that cluster, which has the topics.
    pub(crate) fn start(kafka: &KafkaSettings) -> Self {
        let engine_settings =
            EngineSettings { partitions: PARTITIONS, ..EngineSettings::default() };
        let stop = CancellationToken::new();
        let engine = engine::start(kafka.clone(), engine_settings, &stop).expect("an engine");
        let router = router(Consumer::new(engine.board(), settings(), stop));
        Self { engine, router }
    }

    /// The totals as soon as they are as `wanted`.
    pub(crate) async fn totals_when(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        until("the board gets there", async || {
            Some(get(&self.router, "/api/v1/totals").await.json()).filter(&wanted)
        })
        .await
    }

    pub(crate) async fn stop(self) {
        self.engine.stop().await;
    }
}
