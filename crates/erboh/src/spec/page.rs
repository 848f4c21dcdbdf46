//! `GET /api`: both documents as a page for people, made of the documents themselves.
//!
//! ```text
//!  openapi.json ─► groups of operations: parameters, body, answers, curl ─┐
//!  asyncapi.json ─► topics: settings, records, keys, fields ──────────────┴─► api.html
//! ```
//!
//! What the documents say does not change while the service runs, so it is laid out once; only the
//! address in the examples is that of whoever asks.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;

use super::Documents;
use super::curl::{Address, Curl};
use super::fields::{Field, fields, kind, plain};
use crate::web::{self, Nav};

/// What the page shows of both documents.
pub(super) struct Overview {
    title: String,
    version: String,
    description: String,
    groups: Vec<Group>,
    topics: Vec<Topic>,
}

/// The operations of one tag.
struct Group {
    name: String,
    description: String,
    operations: Vec<Operation>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    description: String,
    parameters: Vec<Parameter>,
    bodies: Vec<Body>,
    answers: Vec<Answer>,
    curl: Curl,
}

/// A parameter and where it stands: path, query or header.
struct Parameter {
    place: String,
    field: Field,
}

/// A body in one content type.
struct Body {
    content_type: String,
    kind: String,
    fields: Vec<Field>,
}

struct Answer {
    status: String,
    description: String,
    bodies: Vec<Body>,
}

struct Topic {
    name: String,
    description: String,
    settings: Vec<(String, String)>,
    messages: Vec<Message>,
}

/// A kind of record on a topic.
struct Message {
    title: String,
    description: String,
    key: String,
    headers: Vec<Field>,
    body: Body,
}

impl Overview {
    /// Lays out both documents.
    pub(super) fn new(openapi: &Value, asyncapi: &Value) -> Self {
        let info = &openapi["info"];
        Self {
            title: plain(&info["title"]),
            version: plain(&info["version"]),
            description: plain(&info["description"]),
            groups: list(&openapi["tags"]).map(|tag| Group::new(openapi, tag)).collect(),
            topics: entries(&asyncapi["channels"])
                .map(|(_, of)| Topic::new(asyncapi, of))
                .collect(),
        }
    }
}

impl Group {
    fn new(document: &Value, tag: &Value) -> Self {
        let items = entries(&document["paths"]);
        let operations = items.flat_map(|(path, item)| {
            entries(item).map(move |(method, operation)| (path, method, operation))
        });
        let tagged = operations.filter(|(_, _, operation)| operation["tags"][0] == tag["name"]);
        Self {
            name: plain(&tag["name"]),
            description: plain(&tag["description"]),
            operations: tagged
                .map(|(path, method, operation)| Operation::new(document, path, method, operation))
                .collect(),
        }
    }
}

impl Operation {
    fn new(document: &Value, path: &str, method: &str, operation: &Value) -> Self {
        let parameter = |parameter: &Value| Parameter {
            place: plain(&parameter["in"]),
            field: Field {
                name: plain(&parameter["name"]),
                kind: kind(document, &parameter["schema"]),
                description: text(parameter),
                optional: parameter["required"] != true,
            },
        };
        let answer = |(status, response): (&String, &Value)| Answer {
            status: status.clone(),
            description: text(response),
            bodies: bodies(document, response),
        };
        Self {
            id: plain(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: plain(&operation["summary"]),
            description: text(operation),
            parameters: list(&operation["parameters"]).map(parameter).collect(),
            bodies: bodies(document, &operation["requestBody"]),
            answers: entries(&operation["responses"]).map(answer).collect(),
            curl: Curl::new(document, method, path, operation),
        }
    }

    /// What all its problems have in common is said once, above them.
    fn good(&self) -> impl Iterator<Item = &Answer> {
        self.answers.iter().filter(|answer| !answer.is_problem())
    }

    fn problems(&self) -> impl Iterator<Item = &Answer> {
        self.answers.iter().filter(|answer| answer.is_problem())
    }
}

impl Answer {
    fn is_problem(&self) -> bool {
        self.bodies.iter().any(|body| body.content_type == "application/problem+json")
    }
}

impl Topic {
    fn new(document: &Value, channel: &Value) -> Self {
        let settings = &channel["bindings"]["kafka"]["topicConfiguration"];
        let setting = |(name, value): (&String, &Value)| {
            let values: Vec<String> = list(value).map(plain).collect();
            let value = if values.is_empty() { plain(value) } else { values.join(",") };
            (name.clone(), value)
        };
        let message = |(_, reference): (&String, &Value)| {
            let target = plain(&reference["$ref"]);
            Message::new(document, document.pointer(&target[1..]).unwrap_or(&Value::Null))
        };
        Self {
            name: plain(&channel["address"]),
            description: text(channel),
            settings: entries(settings).map(setting).collect(),
            messages: entries(&channel["messages"]).map(message).collect(),
        }
    }
}

impl Message {
    fn new(document: &Value, message: &Value) -> Self {
        let content_type = message["contentType"].as_str().unwrap_or("application/json");
        Self {
            title: plain(&message["title"]),
            description: text(message),
            key: text(&message["bindings"]["kafka"]["key"]),
            headers: fields(document, &message["headers"]),
            body: body(document, content_type, &message["payload"]),
        }
    }
}

fn bodies(document: &Value, of: &Value) -> Vec<Body> {
    let content = entries(&of["content"]);
    content.map(|(kind, content)| body(document, kind, &content["schema"])).collect()
}

fn body(document: &Value, content_type: &str, schema: &Value) -> Body {
    Body {
        content_type: content_type.to_owned(),
        kind: kind(document, schema),
        fields: fields(document, schema),
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(of: &Value) -> String {
    of["description"].as_str().unwrap_or_default().to_owned()
}

/// A piece of a paragraph.
enum Piece<'a> {
    Text(&'a str),
    Code(&'a str),
}

/// Markdown as far as the documents use it: paragraphs, and `code` in them.
fn paragraphs(markdown: &str) -> impl Iterator<Item = Vec<Piece<'_>>> {
    let piece = |(index, text)| if index % 2 == 0 { Piece::Text(text) } else { Piece::Code(text) };
    let paragraphs = markdown.split("\n\n").filter(|paragraph| !paragraph.is_empty());
    paragraphs.map(move |paragraph| paragraph.split('`').enumerate().map(piece).collect())
}

#[derive(Template)]
#[template(path = "api.html")]
struct Page<'a> {
    nav: &'a Nav,
    overview: &'a Overview,
    address: Address,
}

pub(super) async fn show(State(documents): State<Arc<Documents>>, headers: HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let scheme = headers.get("x-forwarded-proto").and_then(|scheme| scheme.to_str().ok());
    let address = Address::new(scheme, host);
    let page = Page { nav: &documents.nav, overview: &documents.overview, address };
    web::html(StatusCode::OK, &page)
}
