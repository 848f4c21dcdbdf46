//! The producer's routes where there is no broker: what is wrong with a request is said at once,
//! and that the queue is out of reach is said in time.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use erboh::web::problem::Code;
use tower::ServiceExt as _;

use crate::support::producer::lonely;
use crate::web::{Answer, ask, get, post_json};

const RATINGS: &str = "/api/v1/ratings";
const GOOD: &str = r#"{"battle":"a vs b","voice1":"Big Bird","voice2":"Macho Man","rating":2}"#;

async fn post_as(kind: &str, body: &str) -> Answer {
    let request = Request::post(RATINGS).header("content-type", kind);
    ask(&lonely(), request.body(Body::from(body.to_owned())).expect("a request")).await
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let router = lonely();
    let check = async |body: &str, field: &str| {
        let problem =
            post_json(&router, RATINGS, body.to_owned()).await.problem(422, "invalid-rating");
        assert_eq!(problem["field"], field, "{body} gave {problem}");
    };
    check(&GOOD.replace(":2", ":3"), "rating").await;
    check(&GOOD.replace("Macho Man", "Big Bird"), "voice2").await;
    check(&GOOD.replace("Big Bird", " "), "voice1").await;
    check(&GOOD.replace("battle", "bottle"), "battle").await;
    check(&GOOD.replace("a vs b", &"a".repeat(101)), "battle").await;
    check(&GOOD.replace('{', r#"{"id":"7","#), "id").await;
    check("1", "value").await;
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    let router = lonely();
    post_json(&router, RATINGS, "{").await.problem(400, "not-json");
    post_json(&router, RATINGS, "a|b|c|1").await.problem(400, "not-json");
    post_as("text/plain", GOOD).await.problem(415, "unsupported-media-type");
    post_as("application/x-www-form-urlencoded", "rating=1")
        .await
        .problem(415, "unsupported-media-type");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let large = GOOD.replace("a vs b", &"a".repeat(64 * 1024));
    post_json(&lonely(), RATINGS, large).await.problem(413, "too-large");
}

#[tokio::test]
async fn without_a_broker_a_program_is_told_to_come_back() {
    let id = "0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f";
    let body = GOOD.replace('{', &format!(r#"{{"id":"{id}","#));
    let answer = post_json(&lonely(), RATINGS, body).await;
    let problem = answer.problem(503, "queue-unavailable");
    assert_eq!(problem["id"], id);
    assert_eq!(answer.header("retry-after"), "5");
}

#[tokio::test]
async fn without_a_broker_no_upload_of_lines_begins() {
    let answer = post_as("application/x-ndjson", &format!("{GOOD}\n{GOOD}\n")).await;
    answer.problem(503, "queue-unavailable");
    assert_eq!(answer.header("retry-after"), "5");
}

#[tokio::test]
async fn without_a_broker_a_person_is_told_so() {
    let answer = get(&lonely(), "/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("retry-after"), "5");
    assert!(answer.text.contains("The queue is out of reach"), "{}", answer.text);
    assert_eq!(answer.text.matches("not sent").count(), 20, "{}", answer.text);
}

#[tokio::test]
async fn head_and_prefetch_generate_nothing() {
    let router = lonely();
    let head = Request::head("/").body(Body::empty()).expect("a request");
    let answer = ask(&router, head).await;
    // A hit would have taken its time to find the broker missing, and would have said so.
    assert_eq!(answer.status, StatusCode::OK);
    for value in ["prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip"] {
        let request = Request::get("/").header("sec-purpose", value);
        let answer = ask(&router, request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.text.contains("generates no ratings"), "{}", answer.text);
    }
}

#[tokio::test]
async fn other_sites_cannot_rate_by_embedding_the_page() {
    for site in ["cross-site", "same-site"] {
        let image = Request::get("/")
            .header("sec-fetch-site", site)
            .header("sec-fetch-mode", "no-cors")
            .header("sec-fetch-dest", "image");
        let image = image.body(Body::empty()).expect("a request");
        ask(&lonely(), image).await.problem(403, "cross-site");
    }
}

#[tokio::test]
async fn health_answers_as_the_walk_through_did() {
    let answer = get(&lonely(), "/health").await;
    assert_eq!((answer.status, &*answer.text), (StatusCode::OK, r#"[{"response":200}]"#));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_or_pages() {
    let router = lonely();
    get(&router, "/nothing-here").await.problem(404, "not-found");
    let answer = get(&router, RATINGS).await;
    answer.problem(405, "method-not-allowed");
    assert_eq!(answer.header("allow"), "POST");
    let request = Request::get("/nothing-here").header("accept", "text/html,*/*;q=0.8");
    let answer = ask(&router, request.body(Body::empty()).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.text.starts_with("<!doctype html>"), "{}", answer.text);
    for (path, status, code) in
        [("/api/v1/nothing-here", 404, "not-found"), (RATINGS, 405, "method-not-allowed")]
    {
        let request = Request::get(path).header("accept", "text/html,*/*;q=0.8");
        let answer = ask(&router, request.body(Body::empty()).expect("a request")).await;
        answer.problem(status, code);
    }
}

/// By its code the log and the numbers tell why something was refused, in pages too.
#[tokio::test]
async fn pages_of_problems_bear_their_codes() {
    let router = lonely();
    let check = async |asked: (&str, &str, &'static str), status: u16, code, retry| {
        let (method, path, body) = asked;
        let request = Request::builder().method(method).uri(path).header("accept", "text/html");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = router.clone().oneshot(request.body(Body::from(body)).expect("a request"));
        let answer = answer.await.expect("a router always answers");
        let header = |name: &str| Some(answer.headers().get(name)?.to_str().expect("text"));
        assert_eq!(answer.status(), status, "{asked:?}");
        assert_eq!(header("content-type"), Some("text/html; charset=utf-8"), "{asked:?}");
        assert_eq!(header("retry-after"), retry, "{asked:?}");
        assert_eq!(answer.extensions().get(), Some(&Code(code)), "{asked:?}");
    };
    let rating = "id=0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f&battle=a&voice1=b&voice2=c&rating=1";
    check(("GET", "/nothing-here", ""), 404, "not-found", None).await;
    check(("GET", "/", ""), 503, "queue-unavailable", Some("5")).await;
    check(("POST", "/rate", rating), 503, "queue-unavailable", Some("5")).await;
    check(("POST", "/rate", "battle=a"), 422, "invalid-rating", None).await;
    check(("POST", "/simulations", "rate=a"), 422, "invalid-simulation", None).await;
}

#[tokio::test]
async fn assets_are_cached_by_their_content() {
    let router = lonely();
    let answer = get(&router, "/assets/page.js").await;
    assert_eq!(answer.header("cache-control"), "no-cache");
    let tag = answer.header("etag").to_owned();
    let request = Request::get("/assets/page.js").header("if-none-match", &tag);
    let unchanged = ask(&router, request.body(Body::empty()).expect("a request")).await;
    assert_eq!((unchanged.status, &*unchanged.text), (StatusCode::NOT_MODIFIED, ""));
    let versioned = get(&router, &format!("/assets/page.js?v={}", tag.trim_matches('"'))).await;
    assert!(versioned.header("cache-control").contains("immutable"));
}
