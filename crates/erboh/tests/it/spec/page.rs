//! The API page: all that the documents list, for the address at which it is asked.

use axum::body::Body;
use axum::http::Request;

use super::{operations, services};
use crate::web::{Answer, ask, get};

async fn page(router: &axum::Router, host: &str) -> Answer {
    let request = Request::get("/api").header("host", host);
    ask(router, request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn the_page_shows_every_operation_and_topic() {
    for (name, router) in services() {
        let document = get(&router, "/api/v1/openapi.json").await.json();
        let answer = page(&router, "erboh.example:3000").await;
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        for (path, method, said) in operations(&document) {
            let id = said["operationId"].as_str().expect("an id");
            assert!(answer.text.contains(&format!("id=\"{id}\"")), "{name}: {method} {path}");
            assert!(answer.text.contains(path), "{name}: {method} {path}");
        }
        for topic in ["erboh-ratings", "erboh-totals", "erboh-dead-letters"] {
            assert!(answer.text.contains(&format!("<code>{topic}</code>")), "{name}: {topic}");
        }
        let commands = answer.text.matches("http://erboh.example:3000/").count();
        assert_eq!(commands, operations(&document).count(), "{name}: one command for each");
        assert!(!answer.text.contains("https://"), "{name}: nothing from elsewhere");
    }
}

#[tokio::test]
async fn an_address_that_is_none_does_not_reach_the_page() {
    for (_, router) in services() {
        for host in ["<script>", "a\"b", "a;b", "a b"] {
            let answer = page(&router, host).await;
            assert!(!answer.text.contains(host), "{host}");
            assert!(answer.text.contains("http://localhost/"), "{host}");
        }
    }
}
