//! The board as data: totals, partitions, and a stream of both.
//!
//! ```text
//!  engine ──► watch (newest view) ──► stream: wait for a change, take the newest, send, pause
//!                                        └ a browser that reads slowly skips views
//! ```

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;

use super::page::{Notice, notices};
use super::view::{BoardView, PartitionView};
use super::{Consumer, View};
use crate::limits;
use crate::totals::board::Board;
use crate::web::Problem;

/// How long a browser waits before it opens a lost stream again.
const RECONNECT: Duration = Duration::from_secs(2);

/// Keeps proxies from collecting the stream before they pass it on.
const BUFFERING: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// What `GET /api/v1/totals` may be asked.
#[derive(Default, Deserialize)]
pub(super) struct Question {
    /// `partition:offset,…`, as the producer answered them: the answer waits until these ratings
    /// are in the totals, whichever replica is asked.
    #[serde(default)]
    after: String,
    /// The longest wait for that, in milliseconds.
    wait_ms: Option<u64>,
}

impl Question {
    /// The position from which on the totals have everything that was asked for.
    fn position(&self) -> Option<BTreeMap<i32, i64>> {
        let mut position = BTreeMap::new();
        for place in self.after.split(',').filter(|place| !place.is_empty()) {
            let (partition, offset) = place.split_once(':')?;
            let next = offset.parse::<i64>().ok()?.checked_add(1)?;
            let known = position.entry(partition.parse().ok()?).or_insert(next);
            *known = next.max(*known);
        }
        Some(position)
    }

    fn wait(&self) -> Duration {
        self.wait_ms.map_or(limits::TOTALS_WAIT, Duration::from_millis).min(limits::TOTALS_WAIT_MAX)
    }
}

pub(super) async fn totals(
    State(consumer): State<Consumer>,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Json<Board>, Problem> {
    let invalid = |field: &str, reason: &str| {
        let code = (StatusCode::UNPROCESSABLE_ENTITY, "invalid-question");
        Problem::new(code.0, code.1, format!("{field}: {reason}")).field(field)
    };
    let Query(question) = question.map_err(|_| invalid("wait_ms", "is not a number"))?;
    let position = question.position();
    let position = position.ok_or_else(|| invalid("after", "is not partition:offset,…"))?;
    let mut view = consumer.view;
    let passed = view.wait_for(|view| view.board.has_passed(&position));
    match tokio::time::timeout(question.wait(), passed).await {
        Ok(Ok(view)) => Ok(Json(view.board.clone())),
        _ => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not-counted-yet",
            "The ratings that were asked for are not in the totals yet. Ask again.",
        )
        .retry_after(RECONNECT)),
    }
}

/// The answer of `GET /api/v1/partitions`.
#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the fields are the names in the answer")]
struct Partitions<'a> {
    topic: &'a str,
    connected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alarm: Option<&'a str>,
    partitions: &'a [PartitionView],
}

pub(super) async fn partitions(State(consumer): State<Consumer>) -> Response {
    let view = consumer.view();
    let answer = Partitions {
        topic: &consumer.settings.topic,
        connected: view.connected,
        problem: view.problem.as_deref(),
        alarm: view.alarm.as_deref(),
        partitions: &view.partitions,
    };
    Json(answer).into_response()
}

/// The answer of `GET /api/v1/partitions/3/totals`: what this replica shows of that partition, in the
/// form in which it stands in the topic of the totals. Whoever recounts a log up to its
/// `next_offset` can compare voice by voice.
pub(super) async fn partition_totals(
    State(consumer): State<Consumer>,
    partition: Result<Path<i32>, PathRejection>,
) -> Result<Response, Problem> {
    let view = consumer.view();
    let snapshot = partition.ok().and_then(|Path(number)| view.board.snapshots().get(&number));
    let snapshot = snapshot.ok_or_else(|| {
        let detail = "This replica has no totals of such a partition.";
        Problem::new(StatusCode::NOT_FOUND, "no-totals", detail)
    })?;
    Ok(Json(&**snapshot).into_response())
}

/// One event of the stream: all that the page shows.
#[derive(Serialize)]
struct Update<'a> {
    totals: &'a Board,
    partitions: &'a [PartitionView],
    connected: bool,
    lag: i64,
    notices: Vec<Notice>,
}

impl<'a> Update<'a> {
    fn new(view: &'a BoardView) -> Self {
        Self {
            totals: &view.board,
            partitions: &view.partitions,
            connected: view.connected,
            lag: view.lag(),
            notices: notices(view),
        }
    }
}

pub(super) async fn events(State(consumer): State<Consumer>) -> Result<Response, Problem> {
    let place = Arc::clone(&consumer.streams).try_acquire_owned().map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too-many-streams",
            "As many live pages as this service serves are open. Reload the page now and then.",
        )
        .retry_after(limits::RETRY_AFTER)
    })?;
    let keep_alive = KeepAlive::new().interval(limits::EVENT_KEEP_ALIVE);
    let sse = Sse::new(follow(consumer, place)).keep_alive(keep_alive);
    Ok(([BUFFERING], sse).into_response())
}

/// A stream with the view of now and then each newest one, until the service stops.
fn follow(
    consumer: Consumer,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let Consumer { mut view, stopping, .. } = consumer;
    view.mark_changed();
    stream::unfold((view, place, false), move |(mut view, place, again)| {
        let stopping = stopping.clone();
        async move {
            let event = stopping.run_until_cancelled(next(&mut view, again)).await??;
            Some((Ok(event), (view, place, true)))
        }
    })
}

async fn next(view: &mut View, again: bool) -> Option<Event> {
    if again {
        tokio::time::sleep(limits::EVENT_INTERVAL).await;
    }
    view.changed().await.ok()?;
    let newest = Arc::clone(&view.borrow_and_update());
    let event = Event::default().event("board").retry(RECONNECT);
    event
        .json_data(Update::new(&newest))
        .inspect_err(|error| tracing::error!(%error, "an event could not be written"))
        .ok()
}
