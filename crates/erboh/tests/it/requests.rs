//! How requests can be followed: by their ids, and by the traces that their senders have begun.

use std::fmt::Write as _;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Extensions, HeaderMap, Request};
use axum::routing::{get, post};
use erboh::web::requests::{self, Metrics};
use erboh::web::shell;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::web::{Answer, ask};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What a service of these numbers shows under `/metrics`.
fn shown(metrics: &Metrics) -> String {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes it");
    text
}

/// A service that answers with the headers that it would give its records.
fn service(metrics: &Metrics) -> Router {
    let handler = async |extensions: Extensions| {
        let mut text = String::new();
        for (name, value) in requests::headers(&extensions) {
            writeln!(text, "{name}={}", value.escape_ascii()).expect("a string takes it");
        }
        text
    };
    shell(Router::new().route("/records", post(handler)), metrics)
}

async fn send(headers: &[(&'static str, &str)]) -> Answer {
    let mut request = Request::post("/records");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask(&service(&Metrics::default()), request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn every_answer_carries_the_requests_id() {
    assert_eq!(send(&[("x-request-id", "build-17")]).await.header("x-request-id"), "build-17");
    let fresh = |headers: &HeaderMap| headers["x-request-id"].to_str().expect("text").to_owned();
    let (one, two) = (send(&[]).await, send(&[("x-request-id", "no such")]).await);
    assert_eq!((fresh(&one.headers).len(), fresh(&two.headers).len()), (36, 36));
    assert_ne!(fresh(&one.headers), fresh(&two.headers));
    let missing = Request::get("/nothing-here").header("x-request-id", "x");
    let answer =
        ask(&service(&Metrics::default()), missing.body(Body::empty()).expect("a request")).await;
    answer.problem(404, "not-found");
    assert_eq!(answer.header("x-request-id"), "x");
}

#[tokio::test]
async fn headers_that_are_too_large_are_a_problem() {
    let fits = "a".repeat(64 * 1024 - "x-a".len() - 4);
    assert_eq!(send(&[("x-a", &fits)]).await.status, 200);
    let problem = send(&[("x-a", &format!("{fits}a"))]).await.problem(431, "headers-too-large");
    let detail = "A request has at most 100 header lines with 65536 bytes in all; this one has 1 with 65537.";
    assert_eq!(problem["detail"], detail);
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

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_what_clients_invent() {
    let metrics = Metrics::default();
    let router = service(&metrics);
    let post = Request::post("/records?secret=1").body(Body::from("12345")).expect("a request");
    ask(&router, post).await;
    for path in ["/nothing-1", "/nothing-2"] {
        let invented = Request::builder().method("BREW").uri(path).body(Body::empty());
        ask(&router, invented.expect("a request")).await.problem(404, "not-found");
    }
    let text = shown(&metrics);
    let check = |line: &str| assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    check(r#"http_requests_total{method="POST",route="/records",status="200"} 1"#);
    check(r#"http_requests_total{method="other",route="none",status="404"} 2"#);
    check(r#"http_problems_total{code="not-found"} 2"#);
    check(r#"http_request_duration_seconds_count{method="POST",route="/records"} 1"#);
    check(r#"http_request_body_bytes_total{method="POST",route="/records"} 0"#);
    check("http_requests_in_flight 0");
}

#[tokio::test]
async fn bytes_are_those_of_the_bodies() {
    let metrics = Metrics::default();
    let echo = Router::new().route("/echo", post(async |body: Bytes| body));
    let router = shell(echo, &metrics);
    let request = Request::post("/echo").body(Body::from("12345")).expect("a request");
    assert_eq!(ask(&router, request).await.text, "12345");
    let text = shown(&metrics);
    let labels = r#"{method="POST",route="/echo"} 5"#;
    assert!(text.contains(&format!("http_request_body_bytes_total{labels}")), "{text}");
    assert!(text.contains(&format!("http_response_body_bytes_total{labels}")), "{text}");
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted_too() {
    let metrics = Metrics::default();
    let slow = Router::new().route("/", post(async || std::future::pending::<()>().await));
    let router = shell(slow, &metrics);
    let request = Request::post("/").body(Body::empty()).expect("a request");
    let asking = tokio::spawn(async move { ask(&router, request).await.status });
    while !shown(&metrics).contains("http_requests_in_flight 1") {
        tokio::task::yield_now().await;
    }
    asking.abort();
    assert!(asking.await.expect_err("it was aborted").is_cancelled());
    let text = shown(&metrics);
    assert!(text.contains(r#"{method="POST",route="/",status="499"} 1"#), "{text}");
    assert!(text.contains("http_requests_in_flight 0"), "{text}");
}

/// A service of which one handler panics while it works.
fn panicking(metrics: &Metrics) -> Router {
    let panics = async || -> String {
        tokio::task::yield_now().await;
        panic!("a test asked for this panic");
    };
    let routes = Router::new()
        .route("/api/v1/panics", get(panics))
        .route("/panics", get(panics))
        .route("/works", get(async || "works"));
    shell(routes, metrics)
}

#[tokio::test]
async fn a_panic_in_a_handler_is_answered_and_counted() {
    let metrics = Metrics::default();
    let router = panicking(&metrics);
    let send = async |path: &str, accept: &str| {
        let request =
            Request::get(path).header("x-request-id", "build-17").header("accept", accept);
        ask(&router, request.body(Body::empty()).expect("a request")).await
    };
    let answer = send("/api/v1/panics", "text/html").await;
    let problem = answer.problem(500, "internal-error");
    assert!(!problem.to_string().contains("asked for this"), "a client learns nothing: {problem}");
    assert_eq!(answer.header("x-request-id"), "build-17");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let page = send("/panics", "text/html").await;
    assert_eq!(
        (page.status.as_u16(), page.header("content-type")),
        (500, "text/html; charset=utf-8")
    );
    assert_eq!(send("/works", "*/*").await.text, "works");
    let numbers = shown(&metrics);
    assert!(numbers.contains(r#"http_problems_total{code="internal-error"} 2"#), "{numbers}");
    assert!(numbers.contains("http_requests_in_flight 0"), "{numbers}");
}
