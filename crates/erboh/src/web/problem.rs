//! An error as an HTTP client reads it: problem details, RFC 9457.

pub mod kinds;

use std::time::Duration;

use axum::Json;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use self::kinds::Kind;

/// One error: what happened, why, and what to do about it.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Its status, name and meaning.
    pub kind: &'static Kind,
    /// What happened and the way out, for people.
    pub detail: String,
    /// The field of the request that is at fault, where there is one.
    pub field: Option<String>,
    /// The rating's id, where one was given: a retry with this id is counted once.
    pub id: Option<String>,
    /// How long to wait before the next try, in seconds.
    pub retry_after_seconds: Option<u64>,
}

/// The code of the problem that an answer is about, among the answer's extensions: there the log and
/// the numbers find it, in pages too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub &'static str);

/// An error, as RFC 9457 describes it. The type stays `about:blank`, whose meaning is "the status
/// says it"; `code` tells problems of one status apart.
#[derive(Serialize, ToSchema)]
struct Body<'a> {
    /// Always `about:blank`.
    r#type: &'static str,
    /// The status in words.
    title: &'a str,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened and the way out, for people.
    detail: &'a str,
    /// A stable name to match on.
    code: &'a str,
    /// The field of the request that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<&'a str>,
    /// The id of the rating, to try again with: then it counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<&'a str>,
}

/// The schema of the body.
impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Body::schema()
    }
}

impl ToSchema for Problem {}

impl Problem {
    /// A problem with nothing but its kind and explanation.
    pub fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), field: None, id: None, retry_after_seconds: None }
    }

    /// Names the field of the request that is at fault.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Names the rating, so that the client can retry with the same id.
    #[must_use]
    pub fn id(mut self, id: impl std::fmt::Display) -> Self {
        self.id = Some(id.to_string());
        self
    }

    /// Says when to try again; rounded up to whole seconds, as the header demands.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after_seconds = Some(wait.as_millis().div_ceil(1000) as u64);
        self
    }

    /// The status in words.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.kind.status.canonical_reason().unwrap_or("Error")
    }

    /// The answer with all that does not stand in its body: when to try again, and for the log and
    /// the numbers the code.
    pub(super) fn label(&self, mut answer: Response) -> Response {
        answer.extensions_mut().insert(Code(self.kind.code));
        if let Some(seconds) = self.retry_after_seconds {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: "about:blank",
            title: self.title(),
            status: self.kind.status.as_u16(),
            detail: &self.detail,
            code: self.kind.code,
            field: self.field.as_deref(),
            id: self.id.as_deref(),
        };
        let mut response = (self.kind.status, Json(body)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        self.label(response)
    }
}
