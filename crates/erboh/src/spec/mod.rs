//! The spec: what a service offers, as documents that are made of the routes and types themselves.
//!
//! ```text
//!  #[utoipa::path] on handlers ─► OpenApiRouter ─┬─► the routes
//!  #[derive(ToSchema)] on types ─┬──┘            └─► OpenAPI 3.1 ──► /api/v1/openapi.json
//!  Topics and their settings ────┴─────────────────► AsyncAPI 3.0 ─► /api/v1/asyncapi.json
//!                                                       both ──────► /api, for people
//! ```
//!
//! A route of an API is registered by [`utoipa_axum::routes!`], which takes its method and path
//! from the attribute that describes it: what is served and what is documented cannot drift apart.
//! Pages and their assets are for people and stand in no document.

mod asyncapi;
mod curl;
mod fields;
mod openapi;
mod page;
mod problems;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use asyncapi::Use;
pub use problems::problems;

use self::page::Overview;
use crate::queue::Topics;
use crate::web::{self, Nav, assets};

/// What a role says of itself.
#[derive(Debug, Clone)]
pub struct About {
    /// The name of the service.
    pub title: &'static str,
    /// What it is for, as Markdown.
    pub description: &'static str,
    /// What its operations are grouped by, in the order of reading: name and description.
    pub tags: &'static [(&'static str, &'static str)],
    /// What it does with the topics.
    pub uses: &'static [Use],
}

/// What a service is told that its documents show.
#[derive(Debug)]
pub struct Deployment {
    /// The names of the topics.
    pub topics: Topics,
    /// The links on the page.
    pub nav: Nav,
    /// Whether writing needs a token.
    pub guarded: bool,
}

/// The tag of what both services answer.
pub const SERVICE: (&str, &str) = ("service", "The service itself");

/// The documents of one service, made once.
struct Documents {
    openapi: Document,
    asyncapi: Document,
    overview: Overview,
    nav: Nav,
}

impl Documents {
    fn new(openapi: &Value, asyncapi: &Value, nav: Nav) -> Self {
        Self {
            openapi: Document::new(openapi),
            asyncapi: Document::new(asyncapi),
            overview: Overview::new(openapi, asyncapi),
            nav,
        }
    }
}

/// A document as it is answered.
struct Document {
    bytes: Bytes,
    tag: u64,
}

impl Document {
    fn new(document: &Value) -> Self {
        let bytes = Bytes::from(document.to_string());
        Self { tag: assets::fnv1a(&bytes), bytes }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        assets::answer("application/json", &self.bytes, self.tag, false, headers)
    }
}

/// The routes of a role together with those that describe them.
pub fn publish(role: OpenApiRouter, about: &About, deployment: Deployment) -> Router {
    let Deployment { topics, nav, guarded } = deployment;
    let (routes, mut api) = role.merge(web::api()).split_for_parts();
    let own = OpenApiRouter::<Arc<Documents>>::default()
        .routes(routes!(openapi_document))
        .routes(routes!(asyncapi_document));
    let (own, own_api) = own.split_for_parts();
    api.merge(own_api);
    let documents = Documents::new(
        &openapi::document(api, about, guarded),
        &asyncapi::document(about, &topics),
        nav,
    );
    routes.merge(own.route("/api", get(page::show)).with_state(Arc::new(documents)))
}

/// This service as an OpenAPI 3.1 document
///
/// The document that you read, or that this page was made of. It changes with the version of the
/// service only.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "service",
    params(("if-none-match" = Option<String>, Header, description = "The `etag` of a copy at hand")),
    responses(
        (status = 200, description = "The document", content_type = "application/json", body = Object,
         headers(("etag" = String, description = "Changes when the document does"))),
        (status = 304, description = "The copy at hand is still right",
         headers(("etag" = String, description = "The tag of that copy"))),
    ),
)]
async fn openapi_document(State(documents): State<Arc<Documents>>, headers: HeaderMap) -> Response {
    documents.openapi.answer(&headers)
}

/// What this service does with the queue, as an AsyncAPI 3.0 document
///
/// The topics, the records on them and their keys, headers and fields.
#[utoipa::path(
    get,
    path = "/api/v1/asyncapi.json",
    tag = "service",
    params(("if-none-match" = Option<String>, Header, description = "The `etag` of a copy at hand")),
    responses(
        (status = 200, description = "The document", content_type = "application/json", body = Object,
         headers(("etag" = String, description = "Changes when the document does"))),
        (status = 304, description = "The copy at hand is still right",
         headers(("etag" = String, description = "The tag of that copy"))),
    ),
)]
async fn asyncapi_document(
    State(documents): State<Arc<Documents>>,
    headers: HeaderMap,
) -> Response {
    documents.asyncapi.answer(&headers)
}
