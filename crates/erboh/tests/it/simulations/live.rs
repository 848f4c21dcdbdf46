//! The live streams of simulations.

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::http::{Request, StatusCode};
use erboh::limits::STREAMS_MAX;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::stage::{SIMULATIONS, Stage, number, of, start};
use crate::WAIT_MAX;
use crate::support::producer::lonely;
use crate::web::get;

/// A live stream that is being read.
struct Stream(Body);

impl Stream {
    async fn open(producer: &Router, path: &str) -> Self {
        let request = Request::get(format!("{SIMULATIONS}{path}")).body(Body::empty()).unwrap();
        let response = producer.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self(response.into_body())
    }

    /// Name and data of the next event; `None` at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        let mut text = String::new();
        while !text.ends_with("\n\n") {
            let reading =
                std::future::poll_fn(|context| std::pin::Pin::new(&mut self.0).poll_frame(context));
            let frame = tokio::time::timeout(WAIT_MAX, reading).await.expect("an event comes");
            text.push_str(std::str::from_utf8(&frame?.unwrap().into_data().unwrap()).unwrap());
        }
        let line = |start| text.lines().find_map(|line| line.strip_prefix(start));
        let data = serde_json::from_str(line("data: ").expect("data")).expect("JSON");
        Some((line("event: ").expect("a name").to_owned(), data))
    }

    /// The next event about this simulation.
    async fn about(&mut self, simulation: &Value) -> (String, Value) {
        loop {
            let (name, data) = self.next().await.expect("the stream goes on");
            if data["id"] == simulation["id"] {
                return (name, data);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulation_is_followed_to_its_end() {
    let stage = Stage::set().await;
    let simulation = start(&stage.producer, &json!({"rate": 2_000, "count": 1_000})).await;
    let path = format!("/{}/events", simulation["id"].as_str().unwrap());
    let mut stream = Stream::open(&stage.producer, &path).await;
    let mut last = 0;
    loop {
        let (name, data) = stream.next().await.expect("an end before the stream's end");
        assert!(number(&data, "acknowledged") >= last, "{data}");
        last = number(&data, "acknowledged");
        if name == "end" {
            assert_eq!((last, &data["state"]), (1_000, &json!("finished")));
            break;
        }
        assert_eq!((name.as_str(), &data["state"]), ("simulation", &json!("running")));
    }
    assert_eq!(stream.next().await, None);
    // Whoever comes later is told the end at once.
    let mut late = Stream::open(&stage.producer, &path).await;
    assert_eq!(late.next().await.unwrap().0, "end");
    assert_eq!(late.next().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stream_follows_all_and_charts_them() {
    let stage = Stage::set().await;
    let first = start(&stage.producer, &json!({"rate": 100})).await;
    let mut stream = Stream::open(&stage.producer, "/events").await;
    assert_eq!(stream.about(&first).await.0, "simulation");
    let second = start(&stage.producer, &json!({"rate": 1_000, "count": 10})).await;
    loop {
        let (name, data) = stream.about(&second).await;
        if name == "end" {
            assert_eq!(number(&data, "acknowledged"), 10);
            break;
        }
    }
    let stopped = of(&stage.producer, "DELETE", &first, "").await.json();
    loop {
        let (name, data) = stream.about(&first).await;
        if name == "end" {
            assert_eq!(data, stopped);
            break;
        }
    }
    let sent = number(&stopped, "acknowledged") + 10;
    let charted = |history: &Value| {
        let seconds = history["acknowledged"].as_array().unwrap();
        seconds.iter().map(|second| second.as_u64().unwrap()).sum::<u64>()
    };
    loop {
        let (name, data) = stream.next().await.expect("the stream goes on");
        if name == "history" && charted(&data) == sent {
            break;
        }
    }
}

#[tokio::test]
async fn streams_are_bounded_and_give_their_place_back() {
    let producer = lonely();
    let mut streams = Vec::new();
    for _ in 0..STREAMS_MAX {
        streams.push(Stream::open(&producer, "/events").await);
    }
    let path = format!("{SIMULATIONS}/events");
    get(&producer, &path).await.problem(503, "too-many-streams");
    streams.pop();
    Stream::open(&producer, "/events").await;
}
