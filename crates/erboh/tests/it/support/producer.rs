//! The producer in this process, which tests ask without a socket.

use axum::Router;
use erboh::ops::Stopping;
use erboh::producer::{Producer, Settings, router};
use erboh::queue::{KafkaSettings, Topics, Writer};

/// What a producer is told unless a test says otherwise.
pub(crate) fn settings() -> Settings {
    Settings {
        topic: Topics::default().ratings,
        ratings_per_hit: 20,
        board_url: None,
        stopping: Stopping::default(),
    }
}

/// A producer on that cluster.
pub(crate) fn on(kafka: &KafkaSettings, settings: Settings) -> Producer {
    let writer = Writer::connect(kafka, &settings.topic).expect("settings that the client takes");
    Producer::new(writer, settings)
}

/// A producer whose broker is at a port that nothing listens on.
pub(crate) fn without_broker() -> Producer {
    on(&KafkaSettings::new("127.0.0.1:1"), settings())
}

/// What such a producer answers.
pub(crate) fn lonely() -> Router {
    router(without_broker())
}
