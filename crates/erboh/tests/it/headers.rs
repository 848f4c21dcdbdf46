//! What every answer of both services carries for browsers, and what none may carry.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};

use crate::board;
use crate::support::producer::lonely;
use crate::web::{Answer, ask};

/// Nothing from elsewhere, nothing inline, in nobody's frame; and a form's origin stays visible to
/// its own site.
const HEADERS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

async fn send(router: &Router, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask(router, request.body(Body::empty()).expect("a request")).await
}

/// Every kind of answer: pages, data, files, refusals, and what there is not.
const PRODUCER: [(&str, &str); 14] = [
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/rate"),
    ("POST", "/rate"),
    ("GET", "/simulations"),
    ("GET", "/api"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/api/v1/ratings"),
    ("POST", "/api/v1/ratings"),
    ("GET", "/api/v1/simulations"),
    ("GET", "/health"),
    ("GET", "/assets/page.css"),
    ("GET", "/nothing-here"),
    ("OPTIONS", "/rate"),
];
const BOARD: [(&str, &str); 7] = [
    ("GET", "/"),
    ("GET", "/api"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/api/v1/totals"),
    ("GET", "/api/v1/totals?after=x"),
    ("GET", "/nothing-here"),
    ("POST", "/"),
];

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let (producer, board) = (lonely(), board::empty());
    let asked = PRODUCER.map(|asked| (&producer, asked)).into_iter();
    for (router, (method, path)) in asked.chain(BOARD.map(|asked| (&board, asked))) {
        let answer = send(router, method, path, &[]).await;
        for (name, value) in HEADERS {
            assert_eq!(answer.header(name), value, "{name} of {method} {path}");
        }
        let cache = answer.header("cache-control");
        let is_file = path.starts_with("/assets/") || path.contains("openapi");
        assert_eq!(cache, if is_file { "no-cache" } else { "no-store" }, "{method} {path}");
    }
}

#[tokio::test]
async fn other_sites_are_given_no_leave() {
    let (producer, board) = (lonely(), board::empty());
    let site = ("origin", "https://elsewhere.example");
    let preflight = [
        site,
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    for (router, path) in [
        (&producer, "/api/v1/ratings"),
        (&producer, "/api/v1/simulations"),
        (&producer, "/rate"),
        (&board, "/api/v1/totals"),
    ] {
        let methods = [(Method::OPTIONS, &preflight[..]), (Method::GET, &[site])];
        for (method, headers) in methods {
            let answer = send(router, method.as_str(), path, headers).await;
            let leave =
                answer.headers.keys().find(|name| name.as_str().starts_with("access-control"));
            assert_eq!(leave, None, "{method} {path}");
            assert!(method != Method::OPTIONS || !answer.status.is_success(), "{}", answer.status);
        }
    }
}
