//! How requests can be followed: by their ids, and by the traces that their senders have begun.

use std::fmt::Write as _;

use axum::Router;
use axum::body::Body;
use axum::http::{Extensions, HeaderMap, Request};
use axum::routing::post;
use erboh::web::{requests, shell};

use crate::web::{Answer, ask};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A service that answers with the headers that it would give its records.
fn service() -> Router {
    let handler = async |extensions: Extensions| {
        let mut text = String::new();
        for (name, value) in requests::headers(&extensions) {
            writeln!(text, "{name}={}", value.escape_ascii()).expect("a string takes it");
        }
        text
    };
    shell(Router::new().route("/records", post(handler)))
}

async fn send(headers: &[(&'static str, &str)]) -> Answer {
    let mut request = Request::post("/records");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask(&service(), request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn every_answer_carries_the_requests_id() {
    assert_eq!(send(&[("x-request-id", "build-17")]).await.header("x-request-id"), "build-17");
    let fresh = |headers: &HeaderMap| headers["x-request-id"].to_str().expect("text").to_owned();
    let (one, two) = (send(&[]).await, send(&[("x-request-id", "no such")]).await);
    assert_eq!((fresh(&one.headers).len(), fresh(&two.headers).len()), (36, 36));
    assert_ne!(fresh(&one.headers), fresh(&two.headers));
    let missing = Request::get("/nothing-here").header("x-request-id", "x");
    let answer = ask(&service(), missing.body(Body::empty()).expect("a request")).await;
    answer.problem(404, "not-found");
    assert_eq!(answer.header("x-request-id"), "x");
}

#[tokio::test]
async fn a_valid_trace_context_goes_into_the_records() {
    let check = async |headers: &[(&'static str, &str)], expected: &str| {
        assert_eq!(send(headers).await.text, expected, "{headers:?}");
    };
    let parent = format!("traceparent={PARENT}\n");
    check(&[], "").await;
    check(&[("traceparent", PARENT)], &parent).await;
    check(
        &[("traceparent", PARENT), ("tracestate", "a=1, b=2")],
        &format!("{parent}tracestate=a=1,b=2\n"),
    )
    .await;
    check(&[("traceparent", PARENT), ("tracestate", "nonsense")], &parent).await;
    check(&[("traceparent", "nonsense"), ("tracestate", "a=1")], "").await;
}
