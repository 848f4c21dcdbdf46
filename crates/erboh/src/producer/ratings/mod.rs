//! `POST /api/v1/ratings`: ratings from people and programs, one, some or very many at a time.
//!
//! ```text
//!  request ─► Format, Coding, Key ─► Body ─┬─ json: one, or an array ─┬─► Dispatch ─► Intake ─► the queue
//!                                          └─ stream: lines ──────────┘      └─ RecentIds: ids that clients chose
//!
//!  one rating  201 {"id","partition","offset"}   on the queue, acknowledged by all in-sync replicas
//!              400 / 413 / 415 / 422             the request is at fault; 422 names the field
//!              429 / 503 Retry-After             not on the queue: we are full / it is out of reach
//!              504                               may be on the queue: try again with the same id
//!  a list      200                               the same said of each item
//! ```

mod answer;
mod body;
mod dispatch;
mod json;
mod key;
pub mod lines;
mod list;
mod media;
pub mod recent;
mod seats;
mod stream;
mod uploads;

use axum::extract::{Request, State};
use axum::http::Extensions;
use axum::response::Response;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use self::answer::Outcome;
use self::answer::{AnswerLine, Created, List};
use self::body::Body;
use self::dispatch::Dispatch;
use self::json::Document;
use self::key::{Key, Naming};
use self::media::{Coding, Format};
use self::recent::RecentIds;
use self::stream::Source;
use self::uploads::Uploads;
use super::Producer;
use super::intake::Busy;
use crate::queue::SendError;
use crate::rating::Rating;
use crate::web::{Problem, kinds, requests};
use crate::{limits, spec};

/// One rating, or an array of them.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is the schema of a body that is read by hand")]
enum Posted {
    One(Rating),
    /// At most 65,536, each a rating; whatever else an element is, it is answered as `invalid`.
    Many(Vec<serde_json::Value>),
}

/// What all requests share.
#[derive(Debug, Clone, Default)]
pub(super) struct Ratings {
    pub(super) recent: RecentIds,
    uploads: Uploads,
    stopping: CancellationToken,
}

impl Ratings {
    /// Ends the streams that are being read: what has arrived is sent, and each is told how far it got.
    pub(super) fn stop(&self) {
        self.stopping.cancel();
    }
}

/// The API for programs: its routes and what they say of themselves.
pub(super) fn routes() -> OpenApiRouter<Producer> {
    OpenApiRouter::default().routes(spec::problems(
        routes!(create),
        &[
            kinds::BAD_IDEMPOTENCY_KEY,
            kinds::BODY_DAMAGED,
            kinds::BODY_NOT_READ,
            kinds::NOT_JSON,
            kinds::BODY_TOO_SLOW,
            kinds::TOO_LARGE,
            kinds::UNSUPPORTED_CODING,
            kinds::UNSUPPORTED_MEDIA_TYPE,
            kinds::ID_REUSED,
            kinds::INVALID_RATING,
            kinds::TOO_BUSY,
            kinds::REFUSED,
            kinds::QUEUE_UNAVAILABLE,
            kinds::STOPPING,
            kinds::OUTCOME_UNKNOWN,
        ],
    ))
}

/// Put ratings on the queue
///
/// One rating as a JSON object, several as an array, or any number as lines of JSON. Lines are
/// answered while more of them arrive; read the answer while you write, or ask for less of it with
/// `prefer`. What is wrong with one rating of a list does not fail the others.
///
/// Names are normalized (Unicode NFC) before they are written, and a score may be written as any JSON
/// number that is 0, 1 or 2, such as `2.0`.
///
/// A rating with an `id` of the client's choice, or whose request has an `idempotency-key`, may be
/// sent again: it counts once.
#[utoipa::path(
    post,
    path = "/api/v1/ratings",
    tag = "ratings",
    params(
        ("idempotency-key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
         description = "Names the request, so that repeating it is safe: ratings without an `id` get one that follows from it"),
        ("content-encoding" = Option<String>, Header, pattern = "^(gzip|zstd|identity)?$",
         description = "How the body is compressed"),
        ("prefer" = Option<String>, Header,
         description = "`return=minimal`: of a list, answer only what was not created"),
    ),
    request_body(content(
        (Posted = "application/json", example = json!({
            "battle": "Moses vs Santa Claus", "voice1": "Big Bird", "voice2": "Macho Man", "rating": 2,
        })),
        // One line of it.
        (Rating = "application/x-ndjson", example = json!({
            "battle": "Moses vs Santa Claus", "voice1": "Big Bird", "voice2": "Macho Man", "rating": 2,
        })),
    )),
    responses(
        (status = 201, description = "The one rating is on the queue, and this is where", body = Created),
        (status = 200, description = "What became of each rating of a list",
         content((List<'static> = "application/json"), (AnswerLine<'static> = "application/x-ndjson")),
         headers(("preference-applied" = String, description = "`return=minimal`, if that was asked for"))),
    ),
)]
async fn create(State(producer): State<Producer>, request: Request) -> Response {
    answer(producer, request).await.unwrap_or_else(media::refuse)
}

async fn answer(producer: Producer, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let format = Format::of(&head.headers)?;
    let coding = Coding::of(&head.headers)?;
    let key = Key::of(&head.headers, head.extensions.get())?;
    let minimal = media::wants_minimal(&head.headers);
    let body = Body::new(body, coding);
    let Ratings { recent, uploads, stopping } = producer.ratings;
    let mut dispatch = Dispatch {
        intake: producer.intake,
        recent,
        naming: key.map_or(Naming::Fresh, Naming::Many),
        headers: requests::headers(&head.extensions).collect(),
    };
    if format == Format::Lines {
        dispatch.intake.admit().await?;
        let seat = uploads.stream(coding).await?;
        let source = Source::new(body, stopping, seat);
        return stream::answer(source, dispatch, minimal).await;
    }
    match Document::read(body, coding, &uploads).await? {
        Document::Array(bytes, place) => {
            json::many(bytes, place, &uploads, &dispatch, minimal).await
        }
        Document::One(bytes) => {
            if let Naming::Many(key) = dispatch.naming {
                dispatch.naming = Naming::One(key);
            }
            json::one(&bytes, &dispatch).await
        }
    }
}

/// Sends the rating of a form, which has an id, just as if a program had sent it.
pub(super) async fn send(
    producer: &Producer,
    rating: &Rating,
    request: &Extensions,
) -> Result<Outcome, Busy> {
    let dispatch = Dispatch {
        intake: producer.intake.clone(),
        recent: producer.ratings.recent.clone(),
        naming: Naming::Fresh,
        headers: requests::headers(request).collect(),
    };
    dispatch.send_one(&rating.to_json()).await
}

/// What a failed sending is to an HTTP client.
pub(super) fn problem(error: &SendError) -> Problem {
    match error {
        SendError::Unavailable(cause) => Problem::new(
            kinds::QUEUE_UNAVAILABLE,
            format!("The queue is out of reach, nothing was sent: {cause}. Try again later."),
        )
        .retry_after(limits::RETRY_AFTER),
        SendError::Unknown(cause) => Problem::new(
            kinds::OUTCOME_UNKNOWN,
            format!(
                "The queue did not say what became of the rating ({cause}); it may have been \
                 taken. Send it again with the same id: then it counts once."
            ),
        )
        .retry_after(limits::RETRY_AFTER),
        SendError::TooLarge => Problem::new(
            kinds::TOO_LARGE,
            "The queue takes no record of this size (max.message.bytes of the topic).",
        ),
        SendError::Refused(cause) => Problem::new(
            kinds::REFUSED,
            format!("The queue refused the rating: {cause}. The cluster's operator can tell why."),
        ),
    }
}
