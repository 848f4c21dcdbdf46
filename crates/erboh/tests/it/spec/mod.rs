//! The documents against the services that they describe.

mod asyncapi;
mod openapi;
mod page;

use std::collections::BTreeSet;

use axum::Router;
use serde_json::Value;

use crate::board;
use crate::support::producer::lonely;

/// Both services, without a queue.
fn services() -> [(&'static str, Router); 2] {
    [("consumer", board::empty()), ("producer", lonely())]
}

/// Each operation of an OpenAPI document: path, method in capitals, and what is said of it.
fn operations(document: &Value) -> impl Iterator<Item = (&str, String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("a path item");
        item.iter().map(move |(method, said)| (path.as_str(), method.to_uppercase(), said))
    })
}

/// All that the document refers to.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(ToOwned::to_owned));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}
