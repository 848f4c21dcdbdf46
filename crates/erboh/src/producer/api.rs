//! `POST /api/v1/ratings`: one rating from a person or a program.
//!
//! ```text
//!  201 {"id","partition","offset"}   on the queue, acknowledged by all replicas that count
//!  400 / 413 / 415 / 422             the request is at fault; 422 names the field
//!  429 Retry-After                   too much is on its way to the queue: send more slowly
//!  503 Retry-After                   not on the queue: try again
//!  504                               may be on the queue: try again with the same id
//! ```

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Producer;
use crate::queue::SendError;
use crate::rating::{Rating, RatingId};
use crate::web::Problem;
use crate::{limits, spec};

/// The API for programs: its routes and what they say of themselves.
pub(super) fn routes() -> OpenApiRouter<Producer> {
    OpenApiRouter::default().routes(spec::problems(
        routes!(create),
        &[
            (400, "not-json"),
            (400, "body-not-read"),
            (408, "body-too-slow"),
            (413, "too-large"),
            (415, "not-json"),
            (422, "invalid-rating"),
            (429, "too-busy"),
            (502, "refused"),
            (503, "queue-unavailable"),
            (504, "outcome-unknown"),
        ],
    ))
}

/// Where the rating is now. With the position vector of the board, a client can tell when it has
/// been counted: `position[partition] > offset`.
#[derive(Debug, Serialize, ToSchema)]
struct Created {
    /// The rating's id, given by the client or else by the service.
    id: RatingId,
    /// The partition of the ratings' topic.
    #[schema(minimum = 0)]
    partition: i32,
    /// Its offset there.
    #[schema(minimum = 0)]
    offset: i64,
}

/// Put a rating on the queue
#[utoipa::path(
    post,
    path = "/api/v1/ratings",
    tag = "ratings",
    request_body(content = Rating, example = json!({
        "battle": "Moses vs Santa Claus", "voice1": "Big Bird", "voice2": "Macho Man", "rating": 2,
    })),
    responses((status = 201, description = "It is on the queue, and this is where", body = Created)),
)]
async fn create(State(producer): State<Producer>, request: Request) -> Result<Response, Problem> {
    demand_json(request.headers())?;
    let body = read(request).await?;
    let rating = Rating::from_request(&body).map_err(|invalid| {
        let (status, code) = if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
            (StatusCode::BAD_REQUEST, "not-json")
        } else {
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid-rating")
        };
        Problem::new(status, code, invalid.to_string()).field(invalid.field)
    })?;
    let id = rating.id.unwrap_or_else(RatingId::new);
    let rating = Rating { id: Some(id), ..rating };
    let result = producer.send(&[(id, rating)]).await?.pop();
    let result = result.unwrap_or_else(|| Err(SendError::Unknown("no answer".to_owned())));
    let place = result.map_err(|error| problem(&error).id(id))?;
    let created = Created { id, partition: place.partition, offset: place.offset };
    Ok((StatusCode::CREATED, Json(created)).into_response())
}

/// Only JSON, named as such. This also keeps other sites' forms out: a browser asks before it
/// sends JSON to another site, and is not allowed to.
fn demand_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let found =
        if kind.is_empty() { "none is given".to_owned() } else { format!("this is {kind}") };
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "not-json",
        format!("Send a rating with content-type: application/json; {found}."),
    ))
}

async fn read(request: Request) -> Result<Bytes, Problem> {
    let reading = Bytes::from_request(request, &());
    match tokio::time::timeout(limits::BODY_READ, reading).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                format!("A rating has at most {} bytes.", limits::RATING_BYTES_MAX),
            ))
        }
        Ok(Err(rejection)) => {
            Err(Problem::new(rejection.status(), "body-not-read", rejection.body_text()))
        }
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body-too-slow",
            format!("The body did not arrive within {} s.", limits::BODY_READ.as_secs()),
        )),
    }
}

/// What a failed sending is to an HTTP client.
pub(super) fn problem(error: &SendError) -> Problem {
    match error {
        SendError::Unavailable(cause) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "queue-unavailable",
            format!("The queue is out of reach, nothing was sent: {cause}. Try again later."),
        )
        .retry_after(limits::RETRY_AFTER),
        SendError::Unknown(cause) => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "outcome-unknown",
            format!(
                "The queue did not say what became of the rating ({cause}); it may have been \
                 taken. Send it again with the same id: then it counts once."
            ),
        )
        .retry_after(limits::RETRY_AFTER),
        SendError::TooLarge => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The queue takes no record of this size (max.message.bytes of the topic).",
        ),
        SendError::Refused(cause) => Problem::new(
            StatusCode::BAD_GATEWAY,
            "refused",
            format!("The queue refused the rating: {cause}. The cluster's operator can tell why."),
        ),
    }
}
