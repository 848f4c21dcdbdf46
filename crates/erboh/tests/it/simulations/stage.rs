//! Stage: a producer whose broker can be stopped and started, and a board that counts.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use erboh::consumer::engine::{self, Engine, EngineSettings};
use erboh::consumer::{self, Consumer};
use erboh::ops::Stopping;
use erboh::producer::{self, Producer};
use erboh::queue::{Admin, KafkaSettings, Reader, Topics, Writer};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::WAIT_MAX;
use crate::engine::broker::Embedded;
use crate::web::{Answer, ask, get, post_json};

pub(super) const SIMULATIONS: &str = "/api/v1/simulations";
const PARTITIONS: i32 = 3;

/// A producer that has no broker.
pub(super) fn lonely() -> Router {
    router(&KafkaSettings::new("127.0.0.1:1"))
}

fn router(kafka: &KafkaSettings) -> Router {
    let topic = Topics::default().ratings;
    let writer = Writer::connect(kafka, &topic).unwrap();
    let stopping = Stopping::default();
    let settings = producer::Settings { topic, ratings_per_hit: 20, board_url: None, stopping };
    producer::router(Producer::new(writer, settings))
}

/// An embedded broker on a port of its own, and a producer.
pub(super) struct Stage {
    pub(super) producer: Router,
    kafka: KafkaSettings,
    broker: Embedded,
}

impl Stage {
    pub(super) async fn set() -> Self {
        let broker = Embedded::start().await;
        let kafka = KafkaSettings::new(broker.address.as_str());
        let admin = Admin::connect(&kafka).unwrap();
        admin.ensure_topics(&Topics::default(), PARTITIONS, -1).await.unwrap();
        Self { producer: router(&kafka), kafka, broker }
    }

    /// Ends the broker in order; its data and its port stay.
    pub(super) async fn stop_broker(&mut self) {
        self.broker.halt().await;
    }

    pub(super) async fn start_broker(&mut self) {
        self.broker.serve().await;
    }

    pub(super) fn address(&self) -> &str {
        &self.kafka.brokers
    }

    /// Everything on the topic, in no order.
    pub(super) async fn values(&self) -> Vec<Value> {
        let kafka = self.kafka.clone();
        let reading = move || {
            let reader = Reader::connect(&kafka, "reads-back").unwrap();
            let mut values = Vec::new();
            for partition in 0..PARTITIONS {
                let topic = Topics::default().ratings;
                let (start, end) = reader.watermarks(&topic, partition).unwrap();
                let read = |record: &erboh::queue::Record<'_>| {
                    values.push(serde_json::from_slice(record.value().unwrap()).unwrap());
                };
                reader.range(&topic, partition, (start, end), read).unwrap();
            }
            values
        };
        tokio::task::spawn_blocking(reading).await.unwrap()
    }

    pub(super) fn board(&self) -> Board {
        let settings = EngineSettings { partitions: PARTITIONS, ..EngineSettings::default() };
        let stop = CancellationToken::new();
        let engine = engine::start(self.kafka.clone(), settings, &stop).unwrap();
        let settings = consumer::Settings {
            topic: Topics::default().ratings,
            producer_url: None,
            stopping: Stopping::default(),
        };
        let router = consumer::router(Consumer::new(engine.board(), settings, stop));
        Board { engine, router }
    }
}

/// The board and the engine behind it.
pub(super) struct Board {
    engine: Engine,
    router: Router,
}

impl Board {
    /// The totals as soon as they are as `wanted`.
    pub(super) async fn totals_when(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        until("the board gets there", async || {
            Some(get(&self.router, "/api/v1/totals").await.json()).filter(&wanted)
        })
        .await
    }

    pub(super) async fn stop(self) {
        self.engine.stop().await;
    }
}

/// Looks until there is something to see.
pub(super) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let Ok(found) = tokio::time::timeout(WAIT_MAX, looking).await else { panic!("never: {what}") };
    found
}

/// Orders a simulation that is taken; answers it.
pub(super) async fn start(producer: &Router, order: &Value) -> Value {
    let answer = post_json(producer, SIMULATIONS, order.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let simulation = answer.json();
    let path = format!("{SIMULATIONS}/{}", simulation["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), path);
    simulation
}

/// Asks something about a simulation.
pub(super) async fn of(producer: &Router, method: &str, simulation: &Value, body: &str) -> Answer {
    let path = format!("{SIMULATIONS}/{}", simulation["id"].as_str().unwrap());
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", "application/json");
    ask(producer, request.body(Body::from(body.to_owned())).unwrap()).await
}

/// The simulation as soon as it is as `wanted`.
pub(super) async fn when(
    producer: &Router,
    simulation: &Value,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    until("the simulation gets there", async || {
        Some(of(producer, "GET", simulation, "").await.json()).filter(&wanted)
    })
    .await
}

/// A number of a simulation.
pub(super) fn number(simulation: &Value, name: &str) -> u64 {
    simulation[name].as_u64().unwrap_or_else(|| panic!("no {name} in {simulation}"))
}
