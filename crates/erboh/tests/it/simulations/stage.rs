//! Stage: a producer whose broker can be stopped and started, and what is asked of simulations.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

use crate::support::broker::Broker;
use crate::support::wait::until;
use crate::web::{Answer, ask, post_json};

pub(super) const SIMULATIONS: &str = "/api/v1/simulations";

/// An embedded broker, and a producer on it.
pub(super) struct Stage {
    pub(super) producer: Router,
    pub(super) broker: Broker,
}

impl Stage {
    pub(super) async fn set() -> Self {
        let broker = Broker::start().await;
        Self { producer: broker.producer(), broker }
    }
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
