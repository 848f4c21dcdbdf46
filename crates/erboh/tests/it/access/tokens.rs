//! Which requests need a token, and which tokens do.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode};
use erboh::producer::access::Guard;
use tower::ServiceExt as _;

use super::{OTHER, RATINGS, TOKEN, guarded, lonely, post, send};
use crate::web::{ask, get};

const BEARER: &str = r#"Bearer realm="erboh""#;
const BASIC: &str = r#"Basic realm="erboh""#;

/// The schemes that an answer offers.
fn offers(answer: &crate::web::Answer) -> Vec<&str> {
    let values = answer.headers.get_all("www-authenticate").iter();
    values.map(|value| value.to_str().expect("text")).collect()
}

#[tokio::test]
async fn a_program_needs_a_token_of_the_file() {
    let router = guarded();
    let check = async |headers: &[(&'static str, &str)], code: &str, challenge: &str| {
        let answer = post(&router, headers).await;
        answer.problem(401, code);
        assert_eq!(offers(&answer), [challenge], "{headers:?}");
        assert!(!answer.text.contains("secret"), "{}", answer.text);
    };
    let invalid = r#"Bearer realm="erboh", error="invalid_token""#;
    check(&[], "token-needed", BEARER).await;
    check(&[("authorization", "Bearer secret-secret-secret")], "token-refused", invalid).await;
    check(&[("authorization", "Bearer secret secret")], "token-refused", invalid).await;
    check(&[("authorization", &format!("Bearer {TOKEN}x"))], "token-refused", invalid).await;
    check(&[("authorization", TOKEN)], "token-refused", invalid).await;
    check(&[("authorization", &format!("Digest {TOKEN}"))], "token-refused", invalid).await;
    let good = format!("Bearer {TOKEN}");
    let good = ("authorization", good.as_str());
    check(&[good, good], "token-refused", invalid).await;
    post(&router, &[good]).await.problem(422, "invalid-rating");
    post(&router, &[("authorization", &format!("bearer {OTHER}"))])
        .await
        .problem(422, "invalid-rating");
}

#[tokio::test]
async fn the_log_in_box_of_a_browser_works() {
    let router = guarded();
    let check = async |authorization: &str, status: u16, code: &str| {
        post(&router, &[("authorization", authorization)]).await.problem(status, code);
    };
    // lab:…, :…, lib:… with the first token, and lab: alone.
    check("Basic bGFiOjAxMjM0NTY3ODlhYmNkZWY=", 422, "invalid-rating").await;
    check("Basic OjAxMjM0NTY3ODlhYmNkZWY=", 422, "invalid-rating").await;
    check("Basic bGliOjAxMjM0NTY3ODlhYmNkZWY=", 401, "token-refused").await;
    check("Basic bGFiOg==", 401, "token-refused").await;

    let page = get(&router, "/").await;
    page.problem(401, "token-needed");
    assert_eq!(offers(&page), [BASIC]);
    let accept = ("accept", "text/html");
    let page = send(&router, Method::GET, "/", &[accept]).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.text.contains("in a browser it is the password"), "{}", page.text);
    // The API answers in one form only, as its document says.
    send(&router, Method::POST, RATINGS, &[accept]).await.problem(401, "token-needed");
    // A page's own script can have the browser ask, too.
    let script = post(&router, &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(offers(&script), [BASIC, BEARER]);
    let visit = ("authorization", "Basic OjAxMjM0NTY3ODlhYmNkZWY=");
    let page = send(&router, Method::GET, "/", &[visit]).await;
    assert!(page.text.contains("The queue is out of reach"), "it was let in: {}", page.text);
}

#[tokio::test]
async fn a_refusal_does_not_wait_for_the_body() {
    let stalled = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
    let request = Request::post(RATINGS).header("content-type", "application/json");
    let request = request.body(Body::from_stream(stalled)).expect("a request");
    ask(&guarded(), request).await.problem(401, "token-needed");
}

#[tokio::test]
async fn what_only_reads_needs_none() {
    let router = guarded();
    for path in ["/health", "/assets/page.css"] {
        assert_eq!(get(&router, path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(send(&router, Method::HEAD, "/", &[]).await.status, StatusCode::OK);
    get(&router, "/nothing-here").await.problem(404, "not-found");
    get(&router, RATINGS).await.problem(405, "method-not-allowed");
}

#[tokio::test]
async fn without_a_file_nobody_is_asked() {
    let router = erboh::producer::router(lonely(Guard::open()));
    post(&router, &[]).await.problem(422, "invalid-rating");
    post(&router, &[("authorization", "Bearer x")]).await.problem(422, "invalid-rating");
}

/// Every operation that the service's own document names: method and path.
async fn operations(router: &Router) -> Vec<(Method, String)> {
    let document = get(router, "/api/v1/openapi.json").await.json();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let path = path.replace("{id}", "0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f");
        assert!(!path.contains('{'), "give this test a value for {path}");
        let methods = item.as_object().expect("operations").keys();
        let methods = methods.filter_map(|name| name.to_uppercase().parse().ok());
        operations.extend(methods.map(|method| (method, path.clone())));
    }
    operations
}

/// The status alone: some answers go on for ever.
async fn status(router: &Router, method: &Method, path: &str) -> StatusCode {
    let request = Request::builder().method(method).uri(path).body(Body::empty());
    router.clone().oneshot(request.expect("a request")).await.expect("an answer").status()
}

#[tokio::test]
async fn every_route_that_writes_is_guarded_and_no_other() {
    let router = guarded();
    let mut operations = operations(&router).await;
    assert!(operations.contains(&(Method::POST, RATINGS.to_owned())), "{operations:?}");
    // The pages are for people and stand in no document.
    operations.push((Method::GET, "/".to_owned()));
    for page in ["/rate", "/simulations", "/api"] {
        operations.push((Method::GET, page.to_owned()));
    }
    for form in ["/rate", "/simulations", "/simulations/1/stop", "/simulations/1/rate"] {
        operations.push((Method::POST, form.to_owned()));
    }
    for (method, path) in &operations {
        let writes = method != Method::GET || path == "/";
        let refused = status(&router, method, path).await == StatusCode::UNAUTHORIZED;
        assert_eq!(refused, writes, "{method} {path}");
    }
    // And what no list names: a method that changes something is refused or not there at all.
    for (_, path) in &operations {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let status = status(&router, &method, path).await;
            let kept_out =
                [StatusCode::UNAUTHORIZED, StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_FOUND];
            assert!(kept_out.contains(&status), "{method} {path}: {status}");
        }
    }
}
