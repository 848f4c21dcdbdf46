//! The documents against the services that they describe.

mod openapi;

use serde_json::Value;

/// Each operation of an OpenAPI document: path, method in capitals, and what is said of it.
fn operations(document: &Value) -> impl Iterator<Item = (&str, String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("a path item");
        item.iter().map(move |(method, said)| (path.as_str(), method.to_uppercase(), said))
    })
}
