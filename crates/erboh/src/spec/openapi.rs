//! The OpenAPI document: what the routes say of themselves, and what holds for all of them.

use serde_json::{Value, json};
use utoipa::PartialSchema as _;
use utoipa::openapi::OpenApi;

use super::About;
use crate::web::Problem;

/// Completes what the routes collected.
pub(super) fn document(api: OpenApi, about: &About) -> Value {
    let mut document = serde_json::to_value(api).expect("a document is JSON");
    document["info"] = info(about);
    // AsyncAPI knows licences by their address only, OpenAPI by their name as well.
    document["info"]["license"] =
        json!({ "name": "Apache License 2.0", "identifier": env!("CARGO_PKG_LICENSE") });
    document["servers"] = json!([{ "url": "/", "description": "Where this document came from" }]);
    let tag =
        |(name, description): &(&str, &str)| json!({ "name": name, "description": description });
    document["tags"] = about.tags.iter().map(tag).collect();
    document["components"]["schemas"]["Problem"] =
        serde_json::to_value(Problem::schema()).expect("a schema is JSON");
    join_lines(&mut document);
    document
}

/// What a document says of its service first.
pub(super) fn info(about: &About) -> Value {
    json!({
        "title": about.title,
        "version": env!("CARGO_PKG_VERSION"),
        "description": about.description,
        "license": { "name": env!("CARGO_PKG_LICENSE") },
    })
}

/// Comments are broken into lines where the source is narrow; a document has paragraphs.
pub(super) fn join_lines(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "description" => {
                        let paragraphs = text.trim().split("\n\n");
                        let joined = paragraphs.map(|paragraph| paragraph.replace('\n', " "));
                        *text = joined.collect::<Vec<_>>().join("\n\n");
                    }
                    other => join_lines(other),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(join_lines),
        _ => {}
    }
}
