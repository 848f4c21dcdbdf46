//! The AsyncAPI document: the three topics as programs find them on the queue.
//!
//! ```text
//!  ratings       rating (JSON) │ oldRating (text)    producer ─► ─► consumer
//!  totals        snapshot                            consumer ─► ─► every consumer
//!  deadLetters   deadLetter                          consumer ─►
//! ```
//!
//! The schemas are those of the types that are written and read, and the settings of the topics
//! are those with which they are created.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::About;
use super::openapi::{info, polish};
use crate::limits::WINDOW_OFFSETS;
use crate::queue::{TopicSetting, Topics};
use crate::rating::Rating;
use crate::totals::{DEAD_LETTER_BYTES_MAX, DeadLetterHeaders, SLOTS, Snapshot};
use crate::web;
use crate::web::requests::{TRACEPARENT, TRACESTATE};

/// What a role does with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Puts ratings on the queue.
    SendRatings,
    /// Takes ratings off the queue.
    ReceiveRatings,
    /// Writes what a partition adds up to.
    SendTotals,
    /// Reads what others have counted.
    ReceiveTotals,
    /// Keeps what is no rating.
    SendDeadLetters,
}

/// The document of a role that uses these topics.
pub(super) fn document(about: &About, topics: &Topics) -> Value {
    let mut schemas = Map::new();
    let mut document = json!({
        "asyncapi": "3.0.0",
        "info": info(about),
        "defaultContentType": "application/json",
        "channels": channels(topics),
        "operations": about.uses.iter().map(|of| operation(*of)).collect::<Map<_, _>>(),
        "components": { "messages": messages(&mut schemas) },
    });
    document["components"]["schemas"] = schemas.into();
    polish(&mut document);
    document
}

fn channels(topics: &Topics) -> Value {
    json!({
        "ratings": channel(
            &topics.ratings,
            &format!(
                "Ratings in the order of their arrival, spread by their keys. A rating whose id \
                 stands in the previous {} offsets of its partition is a second copy and not \
                 counted.",
                web::grouped(WINDOW_OFFSETS),
            ),
            &Topics::ratings_settings(),
            &["rating", "oldRating"],
        ),
        "totals": channel(
            &topics.totals,
            "What each partition of the ratings adds up to: it has as many partitions, and the \
             snapshots of one stand in the partition of the same number. The largest `next_offset` \
             of the highest `epoch` is the newest.",
            &Topics::totals_settings(),
            &["snapshot"],
        ),
        "deadLetters": channel(
            &topics.dead_letters,
            "Records that are no ratings, kept for a person to look at.",
            &Topics::dead_letters_settings(),
            &["deadLetter"],
        ),
    })
}

fn channel(topic: &str, description: &str, settings: &[TopicSetting], names: &[&str]) -> Value {
    let message = |name: &&str| {
        ((*name).to_owned(), json!({ "$ref": format!("#/components/messages/{name}") }))
    };
    json!({
        "address": topic,
        "description": description,
        "messages": names.iter().map(message).collect::<Map<_, _>>(),
        "bindings": { "kafka": {
            "topic": topic,
            "topicConfiguration": settings.iter().map(setting).collect::<Map<_, _>>(),
            "bindingVersion": "0.5.0",
        } },
    })
}

/// A setting as the binding writes it: policies as a list, numbers as numbers.
fn setting((name, value): &TopicSetting) -> (String, Value) {
    let written = match value.parse::<i64>() {
        Ok(number) => number.into(),
        Err(_) => value.split(',').collect(),
    };
    ((*name).to_owned(), written)
}

fn operation(of: Use) -> (String, Value) {
    let (name, action, channel, messages, summary): (_, _, _, &[&str], _) = match of {
        Use::SendRatings => (
            "sendRatings",
            "send",
            "ratings",
            &["rating"],
            "Puts ratings on the queue, acknowledged by every in-sync replica",
        ),
        Use::ReceiveRatings => (
            "receiveRatings",
            "receive",
            "ratings",
            &["rating", "oldRating"],
            "Takes ratings off the queue and counts each exactly once",
        ),
        Use::SendTotals => {
            ("sendTotals", "send", "totals", &["snapshot"], "Writes what its partitions add up to")
        }
        Use::ReceiveTotals => (
            "receiveTotals",
            "receive",
            "totals",
            &["snapshot"],
            "Reads what every replica has counted, to show it and to go on from there",
        ),
        Use::SendDeadLetters => (
            "sendDeadLetters",
            "send",
            "deadLetters",
            &["deadLetter"],
            "Keeps what is no rating, before any total passes it",
        ),
    };
    let message = |name: &&str| json!({ "$ref": format!("#/channels/{channel}/messages/{name}") });
    let operation = json!({
        "action": action,
        "channel": { "$ref": format!("#/channels/{channel}") },
        "summary": summary,
        "messages": messages.iter().map(message).collect::<Vec<_>>(),
    });
    (name.to_owned(), operation)
}

fn messages(schemas: &mut Map<String, Value>) -> Value {
    let rating = schema::<Rating>(schemas);
    let snapshot = schema::<Snapshot>(schemas);
    let headers = schema::<DeadLetterHeaders>(schemas);
    let id = json!({ "$ref": "#/components/schemas/RatingId" });
    json!({
        "rating": {
            "title": "A rating",
            "description": "Written by every producer of this version. It is read to the letter: a score that is \
                            not written as 0, 1 or 2 makes it a dead letter, and names are compared character by \
                            character. This version's producer writes them in Unicode's form NFC.",
            "headers": trace_headers(),
            // In a request the id may be absent, and the producer gives one; on the queue it is there.
            "payload": {
                "allOf": [rating, { "type": "object", "required": ["id"], "properties": { "id": id } }],
            },
            "bindings": key("The rating's id, which decides on the partition.", &json!({
                "type": "string", "format": "uuid",
            })),
        },
        "oldRating": {
            "title": "A rating in the older text form",
            "description": "`battle|voice 1|voice 2|rating`, read but no longer written. It has no \
                            id, so it is never a copy of another.",
            "contentType": "text/plain",
            "payload": {
                "type": "string",
                "pattern": r"^[^|]+\|[^|]+\|[^|]+\|\s*[012]\s*$",
                "examples": ["Moses vs Santa Claus|Big Bird|Macho Man|2"],
            },
        },
        "snapshot": {
            "title": "What one partition adds up to",
            "description": "Everything before `next_offset` is in it, and nothing else.",
            "payload": snapshot,
            "bindings": key(
                "A slot, used in turn, so that compaction keeps the newest few snapshots.",
                &json!({ "type": "string", "pattern": format!("^[0-{}]$", SLOTS - 1) }),
            ),
        },
        "deadLetter": {
            "title": "A record that is no rating",
            "contentType": "application/octet-stream",
            "headers": { "allOf": [headers, trace_headers()] },
            "payload": {
                "type": "string",
                "maxLength": DEAD_LETTER_BYTES_MAX,
                "description": "The value of the record as it was found, cut off after so many bytes.",
            },
            "bindings": key("`log|partition|offset` of the record.", &json!({
                "type": "string", "pattern": r"^[0-9a-f]*\|[0-9]+\|[0-9]+$",
            })),
        },
    })
}

fn key(description: &str, schema: &Value) -> Value {
    let mut schema = schema.clone();
    schema["description"] = description.into();
    json!({ "kafka": { "key": schema, "bindingVersion": "0.5.0" } })
}

/// The headers of a rating, where its sender takes part in a trace (W3C Trace Context).
fn trace_headers() -> Value {
    json!({
        "type": "object",
        "properties": {
            TRACEPARENT: {
                "type": "string",
                "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
                "description": "The trace that the rating belongs to, as the client gave it.",
            },
            TRACESTATE: { "type": "string", "description": "What tracing systems add to it." },
        },
    })
}

/// Puts the schema of a type and those that it needs among `schemas`, and answers a reference.
fn schema<T: ToSchema>(schemas: &mut Map<String, Value>) -> Value {
    let name = T::name();
    let mut needed = vec![(name.to_string(), T::schema())];
    T::schemas(&mut needed);
    for (name, schema) in needed {
        schemas.insert(name, serde_json::to_value(schema).expect("a schema is JSON"));
    }
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
