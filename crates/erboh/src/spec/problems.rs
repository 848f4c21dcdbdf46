//! The problems that an operation can answer, as responses of its document.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::Response;
use utoipa_axum::router::UtoipaMethodRouter;

/// Every code of a problem, and what it says.
const CODES: &[(&str, &str)] = &[
    (
        "bad-idempotency-key",
        "The idempotency key is not one header of 1 to 255 visible ASCII characters.",
    ),
    ("body-damaged", "The compressed body cannot be decompressed."),
    ("body-not-read", "The body could not be read to its end."),
    ("body-too-slow", "The body did not arrive in time."),
    ("cross-site", "Another site's page sent this; send it from this site or from a program."),
    ("id-reused", "The `id` was given to another rating just now; nothing was sent."),
    ("invalid-question", "A parameter is wrong; `field` names it."),
    ("invalid-rating", "The rating is wrong; `field` names what of it."),
    ("invalid-simulation", "The order or the change is wrong; `field` names what of it."),
    ("no-simulation", "No such simulation is remembered here."),
    ("no-totals", "This replica has no totals of such a partition."),
    ("not-counted-yet", "The ratings asked for are not in the totals yet. Ask again."),
    ("not-json", "The body is not JSON."),
    ("not-running", "The simulation has ended."),
    ("outcome-unknown", "It may be on the queue or not: send it again with the same `id`."),
    ("queue-unavailable", "The queue is out of reach and nothing was sent. Try again."),
    ("refused", "The queue refused; whoever runs the cluster can tell why."),
    ("stopping", "The service is stopping; another replica takes it."),
    ("too-busy", "The queue works, and as much is on its way as may be: send more slowly."),
    ("too-large", "There is more in the body than is taken."),
    ("too-many-simulations", "As many simulations run as may: stop one."),
    ("too-many-streams", "As many live streams as are served are open."),
    ("unsupported-coding", "The body is compressed in a way that is not known."),
    ("unsupported-media-type", "The body is of another type, or of none that is named."),
];

/// What a code says.
fn meaning(code: &str) -> &'static str {
    let known = CODES.iter().find(|(name, _)| *name == code);
    // A missing one is seen by the test below before anybody else sees it.
    known.map_or("", |(_, meaning)| meaning)
}

/// Adds the problems that `routes` can answer, by status and code, to their documents.
pub fn problems<S>(
    (schemas, mut paths, routes): UtoipaMethodRouter<S>,
    codes: &[(u16, &str)],
) -> UtoipaMethodRouter<S> {
    for operation in paths.paths.values_mut().flat_map(operations) {
        for (status, response) in responses(codes) {
            operation.responses.responses.insert(status.to_string(), RefOr::T(response));
        }
    }
    (schemas, paths, routes)
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// One response for each status, with all codes that go with it.
fn responses(codes: &[(u16, &str)]) -> BTreeMap<u16, Response> {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (status, code) in codes {
        by_status.entry(*status).or_default().push(code);
    }
    let parsed = |(status, codes): (u16, Vec<&str>)| {
        let response = response(status, &codes);
        (status, serde_json::from_value(response).expect("a response object"))
    };
    by_status.into_iter().map(parsed).collect()
}

/// The response object of one status.
pub(super) fn response(status: u16, codes: &[&str]) -> Value {
    let says = |code: &&str| format!("`{code}`: {}", meaning(code));
    let description = codes.iter().map(says).collect::<Vec<_>>().join("\n\n");
    let schema = json!({
        "allOf": [
            { "$ref": "#/components/schemas/Problem" },
            {
                "type": "object",
                "properties": {
                    "status": { "type": "integer", "enum": [status] },
                    "code": { "type": "string", "enum": codes },
                },
            },
        ],
    });
    let mut response = json!({
        "description": description,
        "content": { "application/problem+json": { "schema": schema } },
    });
    if matches!(status, 429 | 503 | 504) {
        response["headers"] = json!({
            "retry-after": {
                "description": "Seconds to wait before the next try",
                "required": true,
                "schema": { "type": "integer", "minimum": 1 },
            },
        });
    }
    response
}
