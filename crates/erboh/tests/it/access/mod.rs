//! Who may write, and from where: the guard, the origin of a form, the name of the service.

mod listeners;
mod tokens;
mod watched;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use erboh::producer::access::Guard;
use erboh::producer::{Producer, router};

use crate::support::producer::without_broker;
use crate::web::{Answer, ask};

const RATINGS: &str = "/api/v1/ratings";
const TOKEN: &str = "0123456789abcdef";
const OTHER: &str = "fedcba9876543210";
/// Refused for what it is, so that a test sees that it has passed the guard without a queue.
const WRONG: &str = "{}";

/// A producer whose broker is at a port that nothing listens on.
fn lonely(guard: Guard) -> Producer {
    without_broker().with_guard(guard)
}

/// A guard with the tokens of this text.
fn guard(tokens: &str) -> Guard {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), tokens).expect("the file is written");
    Guard::by_file(file.path().to_owned()).expect("the tokens can be read")
}

fn guarded() -> Router {
    router(lonely(guard(&format!("lab:{TOKEN}\nlib:{OTHER}\n"))))
}

/// Asks with these headers and a body that is no rating.
async fn send(
    router: &Router,
    method: Method,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in [("content-type", "application/json")].iter().chain(headers) {
        request = request.header(*name, *value);
    }
    ask(router, request.body(Body::from(WRONG)).expect("a request")).await
}

async fn post(router: &Router, headers: &[(&'static str, &str)]) -> Answer {
    send(router, Method::POST, RATINGS, headers).await
}
