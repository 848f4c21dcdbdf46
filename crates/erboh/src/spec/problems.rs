//! The problems that an operation can answer, as responses of its document.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa_axum::router::UtoipaMethodRouter;

/// Every code of a problem, and what it says.
const CODES: &[(&str, &str)] = &[
    ("bad-host", "The request does not say which host it is for."),
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
    ("misdirected", "A service on this machine alone was asked under another name."),
    ("no-simulation", "No such simulation is remembered here."),
    ("no-totals", "This replica has no totals of such a partition."),
    ("not-counted-yet", "The ratings asked for are not in the totals yet. Ask again."),
    ("not-json", "The body is not JSON."),
    ("not-running", "The simulation has ended."),
    ("outcome-unknown", "It may be on the queue or not: send it again with the same `id`."),
    ("queue-unavailable", "The queue is out of reach and nothing was sent. Try again."),
    ("refused", "The queue refused; whoever runs the cluster can tell why."),
    ("stopping", "The service is stopping; another replica takes it."),
    ("token-needed", "Whoever writes here needs a token, and none was shown."),
    ("token-refused", "The token that was shown is none of those that may write."),
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

/// A problem: its status and its code.
pub(super) type Kind = (u16, &'static str);

/// Where an operation keeps its problems until its document is completed.
pub(super) const MARK: &str = "x-problems";

/// Notes the problems that the operations of `routes` can answer. Those that all operations have
/// in common need not be named.
pub fn problems<S>(
    (schemas, mut paths, routes): UtoipaMethodRouter<S>,
    kinds: &[Kind],
) -> UtoipaMethodRouter<S> {
    for operation in paths.paths.values_mut().flat_map(operations) {
        operation.extensions.get_or_insert_default().insert(MARK.to_owned(), json!(kinds));
    }
    (schemas, paths, routes)
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// One response object for each status, with all codes that go with it.
pub(super) fn responses(kinds: &[(u16, String)]) -> BTreeMap<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (status, code) in kinds {
        by_status.entry(*status).or_default().push(code);
    }
    by_status
        .into_iter()
        .map(|(status, codes)| (status.to_string(), response(status, &codes)))
        .collect()
}

/// The response object of one status.
fn response(status: u16, codes: &[&str]) -> Value {
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
    let header = match status {
        401 => Some((
            "www-authenticate",
            json!({
                "description": "How to show a token",
                "required": true,
                "schema": { "type": "string" },
            }),
        )),
        429 | 503 | 504 => Some((
            "retry-after",
            json!({
                "description": "Seconds to wait before the next try",
                "required": true,
                "schema": { "type": "integer", "minimum": 1 },
            }),
        )),
        _ => None,
    };
    if let Some((name, header)) = header {
        response["headers"] = json!({ name: header });
    }
    response
}
