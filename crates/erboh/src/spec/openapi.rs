//! The OpenAPI document: what the routes say of themselves, and what holds for all of them.

use serde_json::{Map, Value, json};
use utoipa::PartialSchema as _;
use utoipa::openapi::OpenApi;

use super::{About, problems};
use crate::web::kinds::Kind;
use crate::web::{Problem, kinds};

/// What every operation can answer, whichever it is.
const OF_ALL: [&Kind; 4] =
    [kinds::BAD_HOST, kinds::MISDIRECTED, kinds::HEADERS_TOO_LARGE, kinds::INTERNAL_ERROR];

/// What every operation can answer that changes something.
const OF_WRITES: [&Kind; 1] = [kinds::CROSS_SITE];

/// What those can answer where a token is needed.
const OF_GUARDED: [&Kind; 2] = [kinds::TOKEN_NEEDED, kinds::TOKEN_REFUSED];

/// Completes what the routes collected. `guarded` is whether writing needs a token.
pub(super) fn document(api: OpenApi, about: &About, guarded: bool) -> Value {
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
    if guarded {
        document["components"]["securitySchemes"] = json!({
            "bearer": { "type": "http", "scheme": "bearer", "description": "A token of the token file" },
            "basic": { "type": "http", "scheme": "basic", "description": "The same token as the password" },
        });
    }
    for item in objects(&mut document["paths"]) {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            complete(operation, method != "get", guarded);
        }
    }
    polish(&mut document);
    document
}

/// Adds to an operation what it has in common with others.
fn complete(operation: &mut Value, writes: bool, guarded: bool) {
    let marked = operation.as_object_mut().and_then(|operation| operation.remove(problems::MARK));
    let mut kinds: Vec<problems::Noted> =
        marked.and_then(|kinds| serde_json::from_value(kinds).ok()).unwrap_or_default();
    let mut add = |common: &[&Kind]| kinds.extend(problems::noted(common));
    add(&OF_ALL);
    if writes {
        add(&OF_WRITES);
    }
    if writes && guarded {
        add(&OF_GUARDED);
        operation["security"] = json!([{ "bearer": [] }, { "basic": [] }]);
    }
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        // A parameter that is optional may be left out; it cannot be null.
        if let Some(kinds) = parameter["schema"]["type"].as_array() {
            parameter["schema"]["type"] = kinds[0].clone();
        }
    }
    for (status, response) in problems::responses(&kinds) {
        operation["responses"][status] = response;
    }
    for response in objects(&mut operation["responses"]) {
        if let Some(stream) = response.pointer_mut("/content/text~1event-stream/schema") {
            *stream = event(&stream.take());
        }
        response["headers"]["x-request-id"] = json!({
            "description": "What our log calls this request: the client's own id, or a new one",
            "required": true,
            "schema": { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" },
        });
    }
}

/// The schema of one event of a stream whose `data` is JSON of this schema: OpenAPI has no other
/// way to describe a stream before its version 3.2, and readers take it so.
fn event(data: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": { "type": "string" },
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": data,
            },
        },
    })
}

/// The values of an object.
fn objects(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_object_mut().into_iter().flat_map(Map::values_mut)
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

/// Makes the texts and schemas that come out of the source what a document has: comments are broken
/// into lines where the source is narrow, and a number that is a name is text in JSON.
pub(super) fn polish(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("description", Value::String(text)) => *text = joined(text),
                    ("propertyNames", names) if names["type"] == "integer" => {
                        *names = json!({ "pattern": "^[0-9]+$" });
                    }
                    (_, other) => polish(other),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(polish),
        _ => {}
    }
}

/// A text with one line for each paragraph.
fn joined(text: &str) -> String {
    let paragraphs = text.trim().split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}
