//! The board as data: totals, partitions, and a stream of both.
//!
//! ```text
//!  engine ──► watch (newest view) ──► stream: wait for a change, take the newest, send, pause
//!                                        └ a browser that reads slowly skips views
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{Notice, notices};
use super::view::{BoardView, Partition, PartitionView};
use super::{Consumer, View};
use crate::totals::Snapshot;
use crate::totals::board::Totals;
use crate::web::live::{self, Place};
use crate::web::{Problem, kinds};
use crate::{limits, spec};

/// The board's API: its routes and what they say of themselves.
pub(super) fn routes() -> OpenApiRouter<Consumer> {
    use spec::problems;
    OpenApiRouter::default()
        .routes(problems(routes!(totals), &[kinds::INVALID_QUESTION, kinds::NOT_COUNTED_YET]))
        .routes(routes!(partitions))
        .routes(problems(routes!(partition_totals), &[kinds::NO_TOTALS]))
        .routes(problems(routes!(events), &[kinds::TOO_MANY_STREAMS]))
}

/// What `GET /api/v1/totals` may be asked.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Question {
    /// `partition:offset,…`, as the producer answered them: the answer waits until these ratings
    /// are in the totals, whichever replica is asked.
    #[serde(default)]
    #[param(
        pattern = "^([0-9]{1,9}:[0-9]{1,18}(,[0-9]{1,9}:[0-9]{1,18})*)?$",
        example = "0:17,3:5"
    )]
    after: String,
    /// The longest wait for that, in milliseconds; without it 5,000.
    #[param(minimum = 0, maximum = 30_000, nullable = false)]
    wait_ms: Option<u64>,
}

impl Question {
    /// The position from which on the totals have everything that was asked for.
    fn position(&self) -> Option<BTreeMap<i32, i64>> {
        let mut position = BTreeMap::new();
        if self.after.is_empty() {
            return Some(position);
        }
        for place in self.after.split(',') {
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let (partition, offset) =
                place.split_once(':').filter(|(one, other)| digits(one) && digits(other))?;
            let next = offset.parse::<i64>().ok()?.checked_add(1)?;
            let known = position.entry(partition.parse().ok()?).or_insert(next);
            *known = next.max(*known);
        }
        Some(position)
    }

    fn wait(&self) -> Option<Duration> {
        let wait = self.wait_ms.map_or(limits::TOTALS_WAIT, Duration::from_millis);
        (wait <= limits::TOTALS_WAIT_MAX).then_some(wait)
    }
}

/// What the ratings add up to
///
/// Every voice with the sum of its ratings, highest first. With `after` the answer waits until
/// given ratings are counted: a program that has just sent some reads its own writes, from
/// whichever replica.
#[utoipa::path(
    get,
    path = "/api/v1/totals",
    tag = "board",
    params(Question),
    responses((status = 200, description = "The totals of now", body = Totals<'_>)),
)]
async fn totals(
    State(consumer): State<Consumer>,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Response, Problem> {
    let invalid = |field: &str, reason: &str| {
        Problem::new(kinds::INVALID_QUESTION, format!("{field}: {reason}")).field(field)
    };
    let Query(question) = question
        .map_err(|_| invalid("wait_ms", "is no number, or a parameter stands there twice"))?;
    let position = question.position();
    let position = position.ok_or_else(|| invalid("after", "is not partition:offset,…"))?;
    let wait = question.wait().ok_or_else(|| {
        invalid("wait_ms", &format!("is more than {}", limits::TOTALS_WAIT_MAX.as_millis()))
    })?;
    let mut view = consumer.view;
    let passed = view.wait_for(|view| view.board.has_passed(&position));
    match tokio::time::timeout(wait, passed).await {
        Ok(Ok(view)) => Ok(Json(view.totals()).into_response()),
        _ => Err(Problem::new(
            kinds::NOT_COUNTED_YET,
            "The ratings that were asked for are not in the totals yet. Ask again.",
        )
        .retry_after(limits::EVENT_RECONNECT)),
    }
}

/// Where the counting stands.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the fields are the names in the answer")]
struct Partitions<'a> {
    /// The topic of the ratings.
    topic: &'a str,
    /// Whether the cluster is reachable now.
    connected: bool,
    /// What is wrong with the whole, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<&'a str>,
    /// Two counts of the same ratings that differ: do not trust the totals then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    alarm: Option<&'a str>,
    /// Every partition of the topic.
    #[schema(value_type = [Partition<'_>])]
    partitions: &'a [PartitionView],
}

/// Where the counting stands, partition by partition
#[utoipa::path(
    get,
    path = "/api/v1/partitions",
    tag = "board",
    responses((status = 200, description = "The partitions of now", body = Partitions<'_>)),
)]
async fn partitions(State(consumer): State<Consumer>) -> Response {
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

/// What one partition adds up to
///
/// What this replica shows of that partition, in the form in which it stands in the topic of the
/// totals. Whoever recounts a log up to its `next_offset` can compare voice by voice.
#[utoipa::path(
    get,
    path = "/api/v1/partitions/{partition}/totals",
    tag = "board",
    params(("partition" = i32, Path, minimum = 0, example = 0, description = "The partition's number")),
    responses((status = 200, description = "The newest snapshot of that partition", body = Snapshot)),
)]
async fn partition_totals(
    State(consumer): State<Consumer>,
    partition: Result<Path<i32>, PathRejection>,
) -> Result<Response, Problem> {
    let view = consumer.view();
    let snapshot = partition.ok().and_then(|Path(number)| view.board.snapshots().get(&number));
    let snapshot = snapshot.ok_or_else(|| {
        let detail = "This replica has no totals of such a partition.";
        Problem::new(kinds::NO_TOTALS, detail)
    })?;
    Ok(Json(&**snapshot).into_response())
}

/// One event of the stream: all that the page shows.
#[derive(Serialize, ToSchema)]
struct Update<'a> {
    /// As `GET /api/v1/totals` answers.
    totals: Totals<'a>,
    /// As `GET /api/v1/partitions` answers.
    #[schema(value_type = [Partition<'_>])]
    partitions: &'a [PartitionView],
    /// Whether the cluster is reachable now.
    connected: bool,
    /// Offsets that are still to be counted, in all partitions.
    #[schema(minimum = 0)]
    lag: i64,
    /// Whether all is counted that is on the queue now, and nothing is wrong.
    caught_up: bool,
    /// What people should know, the worst first.
    notices: Vec<Notice>,
}

impl<'a> Update<'a> {
    fn new(view: &'a BoardView) -> Self {
        Self {
            totals: view.totals(),
            partitions: &view.partitions,
            connected: view.connected,
            lag: view.lag(),
            caught_up: view.has_counted_all(),
            notices: notices(view),
        }
    }
}

/// The board, live
///
/// Server-sent events named `board`. The first comes at once, the next ones whenever something
/// changes, at most ten a second; each one is complete, and who reads slowly misses some.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    tag = "board",
    responses((status = 200, description = "Events without an end; this is the `data` of each",
               content_type = "text/event-stream", body = Update<'_>)),
)]
async fn events(State(consumer): State<Consumer>) -> Result<Response, Problem> {
    let place = consumer.streams.place()?;
    Ok(live::answer(follow(consumer, place)))
}

/// A stream with the view of now and then each newest one, until the service stops.
fn follow(consumer: Consumer, place: Place) -> impl Stream<Item = Event> {
    let Consumer { mut view, stopping, .. } = consumer;
    view.mark_changed();
    stream::unfold((view, place, false), move |(mut view, place, again)| {
        let stopping = stopping.clone();
        async move {
            let event = stopping.run_until_cancelled(next(&mut view, again)).await??;
            Some((event, (view, place, true)))
        }
    })
}

async fn next(view: &mut View, again: bool) -> Option<Event> {
    if again {
        tokio::time::sleep(limits::EVENT_INTERVAL).await;
    }
    view.changed().await.ok()?;
    let newest = Arc::clone(&view.borrow_and_update());
    live::event("board", &Update::new(&newest))
}
