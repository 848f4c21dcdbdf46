//! The write API on a real broker: what is answered, and what is on the queue afterwards.

mod coded;
mod duplex;
mod lines;
mod list;
#[cfg(target_os = "linux")]
mod million;
mod repeat;
mod spelled;

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use erboh::queue::{Reader, Topics};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::support::broker::Broker;
use crate::web::{Answer, ask};

const RATINGS: &str = "/api/v1/ratings";
const ID: &str = "0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f";
const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// A rating whose battle has this name.
fn rating(battle: &str) -> String {
    format!(r#"{{"battle":"{battle}","voice1":"Big Bird","voice2":"Macho Man","rating":2}}"#)
}

/// The same with an id.
fn rating_with(id: &str, battle: &str) -> String {
    rating(battle).replace('{', &format!(r#"{{"id":"{id}","#))
}

async fn post(
    router: &Router,
    kind: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::post(RATINGS).header("content-type", kind);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask(router, request.body(body.into()).unwrap()).await
}

/// The lines of an answer.
fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, NDJSON));
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How many records are on the queue.
async fn records(broker: &Broker) -> i64 {
    let kafka = broker.kafka.clone();
    let reading = move || {
        let reader = Reader::connect(&kafka, "counts").unwrap();
        reader.ends(&Topics::default().ratings, 3).unwrap().values().sum()
    };
    tokio::task::spawn_blocking(reading).await.unwrap()
}

async fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(text.as_bytes()).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

async fn zstd(text: &str) -> Vec<u8> {
    let mut encoder = ZstdEncoder::new(Vec::new());
    encoder.write_all(text.as_bytes()).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}
