//! The problems that an operation can answer, as responses of its document.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::web::kinds::Kind;

/// A kind of problem as it is noted: status, code and meaning.
pub(super) type Noted = (u16, String, String);

/// Notes kinds of problems.
pub(super) fn noted(kinds: &[&Kind]) -> impl Iterator<Item = Noted> {
    kinds.iter().map(|kind| (kind.status.as_u16(), kind.code.to_owned(), kind.meaning.to_owned()))
}

/// Where an operation keeps its problems until its document is completed.
pub(super) const MARK: &str = "x-problems";

/// Notes the problems that the operations of `routes` can answer. Those that all operations have
/// in common need not be named.
pub fn problems<S>(
    (schemas, mut paths, routes): UtoipaMethodRouter<S>,
    kinds: &[&Kind],
) -> UtoipaMethodRouter<S> {
    let noted: Vec<Noted> = noted(kinds).collect();
    for operation in paths.paths.values_mut().flat_map(operations) {
        operation.extensions.get_or_insert_default().insert(MARK.to_owned(), json!(noted));
    }
    (schemas, paths, routes)
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// One response object for each status, with all codes that go with it.
pub(super) fn responses(kinds: &[Noted]) -> BTreeMap<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<(&str, &str)>> = BTreeMap::new();
    for (status, code, meaning) in kinds {
        by_status.entry(*status).or_default().push((code, meaning));
    }
    by_status
        .into_iter()
        .map(|(status, kinds)| (status.to_string(), response(status, &kinds)))
        .collect()
}

/// The response object of one status.
fn response(status: u16, kinds: &[(&str, &str)]) -> Value {
    let (codes, says): (Vec<_>, Vec<_>) =
        kinds.iter().map(|(code, meaning)| (*code, format!("`{code}`: {meaning}"))).unzip();
    let description = says.join("\n\n");
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
