//! The AsyncAPI documents: that they are complete, and that they say what really stands in the
//! topics.

use erboh::queue::Topics;
use serde_json::{Value, json};

use super::{references, services};
use crate::web::get;

async fn document(router: &axum::Router) -> Value {
    get(router, "/api/v1/asyncapi.json").await.json()
}

#[tokio::test]
async fn the_topics_and_their_uses_are_as_reviewed() {
    for (name, router) in services() {
        let document = document(&router).await;
        let mut lines = Vec::new();
        for (name, channel) in document["channels"].as_object().expect("channels") {
            let messages: Vec<&String> =
                channel["messages"].as_object().expect("messages").keys().collect();
            let settings = &channel["bindings"]["kafka"]["topicConfiguration"];
            lines.push(format!("{name} {}: {messages:?} {settings}", channel["address"]));
        }
        for (name, operation) in document["operations"].as_object().expect("operations") {
            let channel = &operation["channel"]["$ref"];
            lines.push(format!("{name}: {} {channel}", operation["action"]));
        }
        insta::assert_snapshot!(format!("topics_{name}"), lines.join("\n"));
    }
}

#[tokio::test]
async fn references_lead_somewhere() {
    for (name, router) in services() {
        let document = document(&router).await;
        let mut named = std::collections::BTreeSet::new();
        references(&document, &mut named);
        for reference in &named {
            let pointer = reference.strip_prefix('#').expect("a reference inside the document");
            assert!(document.pointer(pointer).is_some(), "{name}: {reference} leads nowhere");
        }
        let schemas = document["components"]["schemas"].as_object().expect("schemas");
        for schema in schemas.keys() {
            let reference = format!("#/components/schemas/{schema}");
            assert!(named.contains(&reference), "{name}: nothing leads to {reference}");
        }
    }
}

/// The document shows the settings with which the topics are created, not a copy of them.
#[tokio::test]
async fn settings_are_written_as_the_binding_wants_them() {
    let (_, router) = &services()[0];
    let document = document(router).await;
    let of = |channel: &str| {
        document["channels"][channel]["bindings"]["kafka"]["topicConfiguration"].clone()
    };
    assert_eq!(of("deadLetters")["cleanup.policy"], json!(["compact", "delete"]));
    for (name, value) in Topics::totals_settings() {
        let written = &of("totals")[name];
        let is_equal = written.as_i64().map(|number| number.to_string()).as_ref() == Some(&value)
            || *written == json!([value]);
        assert!(is_equal, "{name}: {written} for {value}");
    }
}
