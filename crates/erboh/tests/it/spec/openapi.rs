//! The OpenAPI documents: what they list is what the routers answer, and the other way round.

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::Value;

use super::{operations, references, services};
use crate::board;
use crate::web::{ask, get};

const DOCUMENT: &str = "/api/v1/openapi.json";

async fn document(router: &Router) -> Value {
    get(router, DOCUMENT).await.json()
}

/// What each operation answers with, as one line.
fn line((path, method, said): (&str, String, &Value)) -> String {
    let answers = said["responses"].as_object().expect("responses");
    let codes: Vec<&str> = answers.keys().map(String::as_str).collect();
    format!("{method:<6} {path:<38} {}", codes.join(" "))
}

#[tokio::test]
async fn the_operations_are_as_reviewed() {
    for (name, router) in services() {
        let document = document(&router).await;
        let lines: Vec<String> = operations(&document).map(line).collect();
        insta::assert_snapshot!(format!("operations_{name}"), lines.join("\n"));
    }
}

/// A path answers to the methods of its operations and to no other; a document that lists too much
/// or too little for a path shows here.
#[tokio::test]
async fn paths_answer_to_the_documented_methods_only() {
    for (name, router) in services() {
        let document = document(&router).await;
        let mut methods: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (path, method, _) in operations(&document) {
            methods.entry(path).or_default().insert(method);
        }
        for (path, mut documented) in methods {
            // Where GET is answered, so is HEAD.
            if documented.contains("GET") {
                documented.insert("HEAD".to_owned());
            }
            let address = path.replace("{partition}", "0");
            let request = Request::builder().method("LINK").uri(&address);
            let answer = ask(&router, request.body(Body::empty()).expect("a request")).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{name} {path}");
            let allowed = answer.header("allow").split(',').map(|method| method.trim().to_owned());
            assert_eq!(allowed.collect::<BTreeSet<_>>(), documented, "{name} {path}");
        }
    }
}

/// Routes that stand in no document are those of pages and their files, so that a route of the API
/// cannot be added beside it.
#[test]
fn routes_beside_the_document_are_pages() {
    let sources = crate::tidy::sources("crates/erboh/src/");
    let mut found = BTreeSet::new();
    for (_, text) in &sources {
        for rest in text.split(".route(").skip(1) {
            let literal =
                rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            found.extend(literal);
        }
    }
    let wrong: Vec<_> = found.iter().filter(|path| path.starts_with("/api/")).collect();
    assert!(found.contains("/") && wrong.is_empty(), "{wrong:?} of {found:?}");
}

/// What a reader needs of every operation is there, and the version is the program's.
#[tokio::test]
async fn every_operation_is_described() {
    for (name, router) in services() {
        let document = document(&router).await;
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        let tags: Vec<&Value> =
            document["tags"].as_array().expect("tags").iter().map(|tag| &tag["name"]).collect();
        let mut ids = BTreeSet::new();
        for (path, method, said) in operations(&document) {
            let place = format!("{name} {method} {path}");
            assert!(said["summary"].as_str().is_some_and(|text| !text.is_empty()), "{place}");
            assert!(tags.contains(&&said["tags"][0]), "{place}: {}", said["tags"]);
            assert!(ids.insert(said["operationId"].to_string()), "{place}: the id is not its own");
            for (status, response) in said["responses"].as_object().expect("responses") {
                let text = response["description"].as_str().unwrap_or_default();
                assert!(!text.is_empty(), "{place} {status}: {text}");
            }
            for parameter in said["parameters"].as_array().into_iter().flatten() {
                let text = parameter["description"].as_str().unwrap_or_default();
                assert!(!text.is_empty(), "{place}: {parameter}");
            }
        }
    }
}

/// Every reference leads to something, and nothing stands there that nothing leads to.
#[tokio::test]
async fn references_and_schemas_belong_together() {
    for (name, router) in services() {
        let document = document(&router).await;
        let mut named = BTreeSet::new();
        references(&document, &mut named);
        let schemas = document["components"]["schemas"].as_object().expect("schemas");
        let there = schemas.keys().map(|key| format!("#/components/schemas/{key}"));
        assert_eq!(named, there.collect(), "{name}");
    }
}

#[tokio::test]
async fn the_document_is_answered_once() {
    let router = board::empty();
    let answer = get(&router, DOCUMENT).await;
    assert_eq!(answer.header("content-type"), "application/json");
    let request = Request::get(DOCUMENT).header("if-none-match", answer.header("etag"));
    let again = ask(&router, request.body(Body::empty()).expect("a request")).await;
    assert_eq!((again.status, &*again.text), (StatusCode::NOT_MODIFIED, ""));
}
