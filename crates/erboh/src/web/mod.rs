//! What both web services share: the page shell, errors, static files, headers and the server.
//!
//! ```text
//!  socket ──► server (connection limit, header time-out, drain)
//!               └─► shell (request id, security headers, panics, header limit, Host, origin, size limit, 404/405) ──► the role's routes
//!                                                                      ├─ pages    html()
//!                                                                      ├─ API      Problem (RFC 9457)
//!                                                                      └─ assets   ETag, cached
//! ```

pub mod assets;
pub mod body;
pub mod byte_order_mark;
mod header_limit;
pub mod host;
pub mod live;
pub mod nav;
pub mod origin;
pub(crate) mod panics;
mod places;
pub mod problem;
pub mod requests;
pub mod server;
mod socket;

use askama::Template;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, middleware};
pub use nav::Nav;
pub use problem::{Problem, kinds};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::limits;

/// Only files from this service, nothing inline: text that slipped through as markup could still
/// not run or restyle anything.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// Wraps a role's routes with all that both services have in common. Their requests are counted in
/// `metrics`.
pub fn shell(routes: Router, metrics: &requests::Metrics) -> Router {
    let watched = (metrics.clone(), requests::AccessLog::default());
    routes
        .merge(assets::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::extract::DefaultBodyLimit::max(limits::RATING_BYTES_MAX))
        .layer(middleware::from_fn(origin::check))
        .layer(middleware::from_fn(host::check))
        .layer(middleware::from_fn(header_limit::check))
        .layer(middleware::from_fn(panics::answer))
        .layer(middleware::map_response(add_headers))
        .layer(middleware::from_fn_with_state(watched, requests::follow))
}

/// What both services answer to programs.
#[must_use]
pub fn api() -> OpenApiRouter {
    OpenApiRouter::default().routes(routes!(health))
}

/// All that `/health` answers.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always 200.
    #[schema(minimum = 200, maximum = 200)]
    response: u16,
}

/// Whether the service runs
///
/// An answer in the form `[{"response": 200}]`, kept for older checks. Whether it can work is
/// answered by `/readyz` on the ops port.
#[utoipa::path(
    get,
    path = "/health",
    tag = "service",
    responses((status = 200, description = "It runs", body = Vec<Health>,
               example = json!([{ "response": 200 }]))),
)]
async fn health() -> Json<[Health; 1]> {
    Json([Health { response: 200 }])
}

async fn add_headers(mut response: Response) -> Response {
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not "no-referrer": with that a browser hides the origin of a form from its own site too.
        (REFERRER_POLICY, "same-origin"),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    // Counts and ratings change all the time; only what says so itself (the assets) is cached.
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn not_found(request: Request) -> Response {
    let path = request.uri().path();
    let problem =
        Problem::new(kinds::NOT_FOUND, format!("There is nothing at {path} on this service."));
    refusal(&request, problem)
}

async fn method_not_allowed(request: Request) -> Response {
    let problem = Problem::new(
        kinds::METHOD_NOT_ALLOWED,
        format!("{} does not answer to {}.", request.uri().path(), request.method()),
    );
    refusal(&request, problem)
}

/// Answers an error for any route: as [`error`] does, but the API has no pages.
#[must_use]
pub fn refusal(request: &Request, problem: Problem) -> Response {
    if is_api(request) { problem.into_response() } else { error(request.headers(), problem) }
}

/// Whether a request is for what the OpenAPI document describes.
#[must_use]
pub fn is_api(request: &Request) -> bool {
    request.uri().path().starts_with("/api/")
}

/// Answers an error of a page as a page to a browser and as problem+json to everyone else.
#[must_use]
pub fn error(headers: &HeaderMap, problem: Problem) -> Response {
    if !accepts_page(headers) {
        return problem.into_response();
    }
    problem_page(&problem, &ErrorPage { problem: &problem })
}

/// Whether a request is that of a browser.
fn accepts_page(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.contains("text/html"))
}

/// Answers an error as a page of its own.
pub fn problem_page(problem: &Problem, page: &impl Template) -> Response {
    problem.label(html(problem.kind.status, page))
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    problem: &'a Problem,
}

/// Renders a page. The templates escape every value, because the template files end in `.html`.
pub fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => {
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            (status, [(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            Problem::new(
                kinds::PAGE_NOT_RENDERED,
                "The page could not be rendered; the service's log says why.",
            )
            .into_response()
        }
    }
}

/// A number with its thousands set apart, as people read it: `1234567` becomes `1,234,567`.
#[must_use]
pub fn grouped(number: impl std::fmt::Display) -> String {
    let digits = number.to_string();
    let (sign, digits) = digits.strip_prefix('-').map_or(("", &*digits), |rest| ("-", rest));
    let mut text = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let check = |number: i64, expected: &str| assert_eq!(grouped(number), expected);
        check(0, "0");
        check(999, "999");
        check(1000, "1,000");
        check(1_234_567, "1,234,567");
        check(-123, "-123");
        check(-1_234, "-1,234");
    }
}
