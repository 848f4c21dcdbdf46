//! The board as page and as data, from views that real folds made.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use erboh::consumer::view::{BoardView, PartitionState, PartitionView};
use erboh::consumer::{Consumer, Settings, router};
use erboh::totals::{PartitionTotals, Record};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::support::board::settings;
use crate::web::get;

const BAD: &str = "<script>alert(1)</script>";

/// A view of two partitions: what the fold makes of these values in partition 0, and an empty 1.
fn view(values: &[&str]) -> BoardView {
    let mut totals = PartitionTotals::start(0, 0);
    for (offset, value) in (0..).zip(values) {
        let value = Some(value.as_bytes());
        totals.apply(Record { offset, timestamp_ms: 1, key: None, value });
    }
    let mut view = BoardView { caught_up: true, connected: true, ..BoardView::default() };
    view.board.merge(totals.snapshot("replica-a", 1));
    view.board.merge(PartitionTotals::start(1, 0).snapshot("replica-b", 1));
    let end_offset = values.len() as i64;
    view.partitions = vec![
        partition(0, end_offset, PartitionState::Owned),
        partition(1, 0, PartitionState::Elsewhere),
    ];
    view
}

fn partition(partition: i32, end_offset: i64, state: PartitionState) -> PartitionView {
    PartitionView {
        partition,
        position: end_offset,
        end_offset,
        lag: 0,
        state,
        writer: "replica-a".into(),
    }
}

fn service(view: BoardView) -> (watch::Sender<Arc<BoardView>>, Router, CancellationToken) {
    let settings =
        Settings { producer_url: Some("http://producer.example/".to_owned()), ..settings() };
    let (sender, receiver) = watch::channel(Arc::new(view));
    let stopping = CancellationToken::new();
    let router = router(Consumer::new(receiver, settings, stopping.clone()));
    (sender, router, stopping)
}

/// A board that has nothing to show yet.
pub(crate) fn empty() -> Router {
    service(BoardView::default()).1
}

async fn page(view: BoardView) -> String {
    let (_sender, router, _) = service(view);
    let answer = get(&router, "/").await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.text
}

/// The text of the cells with this name, in the order of the rows.
fn cells<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let body = html.split("<template").next().expect("the page before its patterns");
    let start = format!(r#"data-cell="{name}">"#);
    body.split(&start).skip(1).map(|rest| rest.split('<').next().expect("text")).collect()
}

const VALUES: [&str; 4] =
    ["x|Big Bird|Macho Man|2", "x|Big Bird|Santa Claus|2", "x|Santa Claus|Macho Man|0", "nonsense"];

#[tokio::test]
async fn the_board_shows_every_voice_highest_first() {
    let html = page(view(&VALUES)).await;
    let voices = cells(&html, "voice");
    assert_eq!(voices.len(), 10, "the voices of the catalogue are there with 0 too");
    assert_eq!(voices[..3], ["Big Bird", "Macho Man", "Santa Claus"]);
    assert_eq!(cells(&html, "sum")[..4], ["4", "2", "2", "0"]);
    assert_eq!(cells(&html, "count")[..4], ["2", "2", "2", "0"]);
    assert_eq!(cells(&html, "hated")[..4], ["0", "1", "1", "0"]);
    assert_eq!(cells(&html, "liked")[..4], ["2", "1", "1", "0"]);
    assert!(html.contains(r#"aria-label="1 hated, 0 meh, 1 liked""#), "{html}");
    assert!(html.contains(r#"<dd data-total="counted">3</dd>"#), "{html}");
    assert!(html.contains(r#"<dd data-total="dead">1</dd>"#), "{html}");
    assert!(html.contains(r#"<dd data-total="exact">yes</dd>"#), "{html}");
    assert_eq!(cells(&html, "position"), ["4", "0"]);
    assert_eq!(cells(&html, "state"), ["counted here", "counted elsewhere"]);
    assert!(html.contains("Connected</span><span data-lag>, caught up"), "{html}");
    assert!(html.contains(r#"data-position="{&#34;0&#34;:4,&#34;1&#34;:0}""#), "{html}");
}

#[tokio::test]
async fn text_from_outside_is_never_markup() {
    let mut view = view(&[&format!("x|{BAD}|Macho Man|2")]);
    view.partitions[1].state = PartitionState::Halted(BAD.to_owned());
    view.partitions[1].writer = BAD.to_owned();
    view.problem = Some(BAD.to_owned());
    let html = page(view).await;
    assert!(!html.contains("<script>"), "{html}");
    // As a name and as its row's key, as a writer, as a reason and as a problem.
    assert_eq!(html.matches("&#60;script&#62;").count(), 5, "{html}");
}

#[tokio::test]
async fn what_is_wrong_is_said_with_cause_and_way_out() {
    let check = async |change: fn(&mut BoardView), expected: [&str; 3]| {
        let mut view = view(&VALUES);
        change(&mut view);
        let html = page(view).await;
        for text in expected {
            assert!(html.contains(text), "{text} is missing in {html}");
        }
    };
    check(
        |view| {
            view.connected = false;
            view.problem = Some("no broker at kafka:9092".to_owned());
        },
        ["The queue is out of reach", "no broker at kafka:9092", "as soon as the broker is back"],
    )
    .await;
    check(
        |view| view.alarm = Some("two counts of partition 1".to_owned()),
        ["Do not trust these totals", "two counts of partition 1", "report it"],
    )
    .await;
    check(
        |view| view.partitions[1].state = PartitionState::Halted("the log was replaced".to_owned()),
        ["Partition 1 is halted", "the log was replaced", "--on-log-change"],
    )
    .await;
    check(
        |view| view.partitions[1].state = PartitionState::Stalled("a wrong checksum".to_owned()),
        ["Partition 1 is stalled", "a wrong checksum", "The engine retries"],
    )
    .await;
    check(
        |view| view.partitions[1].state = PartitionState::Restoring,
        ["Not caught up yet", "partition 1 is being taken over", "in a moment"],
    )
    .await;
    let mut stuck = view(&VALUES);
    stuck.partitions[1].state = PartitionState::Restoring;
    stuck.problem = Some("the partition cannot be read".to_owned());
    assert!(!page(stuck).await.contains("in a moment"), "nobody knows when that is mended");
    check(
        |view| {
            let mut totals = PartitionTotals::start(1, 0);
            totals.gap(0, 12);
            view.board.merge(totals.snapshot("replica-a", 2));
        },
        ["The totals are not exact", "partition 1 offsets 0 to 11", "longer retention"],
    )
    .await;
}

/// What the page says beside its notices: how far the counting is, and whether the totals are exact.
async fn claims(view: BoardView) -> (String, String) {
    let html = page(view).await;
    let text = |start: &str| {
        let (_, rest) = html.split_once(start).unwrap_or_else(|| panic!("no {start} in {html}"));
        rest.split_once('<').expect("its end").0.to_owned()
    };
    (text("data-lag>"), text(r#"data-total="exact">"#))
}

#[tokio::test]
async fn a_board_that_stands_still_claims_neither_to_be_exact_nor_to_be_caught_up() {
    let check = async |change: fn(&mut BoardView), progress: &str, exact: &str| {
        let mut view = view(&VALUES);
        change(&mut view);
        assert_eq!(claims(view.clone()).await, (progress.to_owned(), exact.to_owned()));
        let (_sender, router, _) = service(view);
        let totals = get(&router, "/api/v1/totals").await.json();
        assert_eq!(totals["exact"], exact == "yes", "{totals}");
        let request = Request::get("/api/v1/events").body(Body::empty()).expect("a request");
        let mut live = router.oneshot(request).await.expect("an answer").into_body();
        let event = next_event(&mut live).await.expect("an event");
        assert_eq!(event["caught_up"], progress == ", caught up", "{event}");
        assert_eq!(event["totals"]["exact"], exact == "yes", "{event}");
    };
    check(|_| {}, ", caught up", "yes").await;
    check(|view| view.partitions[0].state = PartitionState::Halted("junk".into()), "", "no").await;
    check(|view| view.partitions[0].state = PartitionState::Stalled("junk".into()), "", "no").await;
    check(
        |view| {
            view.partitions[1].state = PartitionState::Stalled("junk".into());
            (view.partitions[1].end_offset, view.partitions[1].lag) = (28, 28);
        },
        ", 28 to go",
        "no",
    )
    .await;
    check(|view| view.problem = Some("writing fails".into()), "", "yes").await;
    check(|view| view.caught_up = false, "", "yes").await;
    // Topics that are waited for.
    check(
        |view| {
            let problem = Some("topic erboh-ratings does not exist".to_owned());
            *view = BoardView { connected: true, problem, ..BoardView::default() };
        },
        "",
        "yes",
    )
    .await;
}

#[tokio::test]
async fn totals_and_partitions_are_data() {
    let mut view = view(&VALUES);
    view.partitions[1].state = PartitionState::Halted("why".to_owned());
    (view.problem, view.alarm) = (Some("no way".to_owned()), Some("two differ".to_owned()));
    let (_sender, router, _) = service(view);
    let totals = get(&router, "/api/v1/totals").await.json();
    assert_eq!(
        totals["voices"][0],
        serde_json::json!({"voice": "Big Bird", "sum": 4, "count": 2, "hated": 0, "meh": 0, "liked": 2})
    );
    assert_eq!((&totals["counted"], &totals["dead"]), (&3.into(), &1.into()));
    assert_eq!(totals["position"], serde_json::json!({"0": 4, "1": 0}));
    let partitions = get(&router, "/api/v1/partitions").await.json();
    // Whoever watches a board relies on these two names.
    assert_eq!(
        (&partitions["problem"], &partitions["alarm"]),
        (&"no way".into(), &"two differ".into())
    );
    assert_eq!(
        partitions["partitions"][1],
        serde_json::json!({
            "partition": 1, "position": 0, "end_offset": 0, "lag": 0,
            "state": "halted", "reason": "why", "writer": "replica-a"
        })
    );
    let of_one = get(&router, "/api/v1/partitions/0/totals").await.json();
    assert_eq!(of_one["voices"]["Big Bird"], serde_json::json!([0, 0, 2]));
    assert_eq!((&of_one["next_offset"], &of_one["dead"]), (&4.into(), &1.into()));
    for unknown in ["7", "-1", "x"] {
        let path = format!("/api/v1/partitions/{unknown}/totals");
        get(&router, &path).await.problem(404, "no-totals");
    }
}

/// Reads the data of the next event of a live stream; `None` at its end.
async fn next_event(body: &mut Body) -> Option<serde_json::Value> {
    let mut text = String::new();
    while !text.ends_with("\n\n") {
        let frame = std::future::poll_fn(|context| {
            axum::body::HttpBody::poll_frame(std::pin::Pin::new(&mut *body), context)
        });
        let data = frame.await?.expect("the stream has no errors").into_data().expect("data");
        text.push_str(std::str::from_utf8(&data).expect("events are text"));
    }
    assert!(text.contains("event: board"), "{text}");
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
    Some(serde_json::from_str(data).expect("JSON"))
}

#[tokio::test]
async fn a_live_stream_gives_the_newest_view_and_ends_with_the_service() {
    let (sender, router, stopping) = service(view(&VALUES[..1]));
    let request = Request::get("/api/v1/events").body(Body::empty()).expect("a request");
    let response = router.oneshot(request).await.expect("an answer");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let counted =
        |event: Option<serde_json::Value>| event.expect("an event")["totals"]["counted"].clone();
    assert_eq!(counted(next_event(&mut body).await), 1);
    // Two changes while nobody reads: the one in between is skipped.
    sender.send_replace(Arc::new(view(&VALUES[..2])));
    sender.send_replace(Arc::new(view(&VALUES[..3])));
    assert_eq!(counted(next_event(&mut body).await), 3);
    stopping.cancel();
    assert_eq!(next_event(&mut body).await, None);
}

#[tokio::test]
async fn live_streams_are_bounded_and_give_their_place_back() {
    let (_sender, router, _) = service(view(&VALUES));
    let open = async || {
        let request = Request::get("/api/v1/events").body(Body::empty()).expect("a request");
        router.clone().oneshot(request).await.expect("an answer")
    };
    let mut streams = Vec::new();
    for _ in 0..erboh::limits::STREAMS_MAX {
        let response = open().await;
        assert_eq!(response.status(), StatusCode::OK);
        streams.push(response);
    }
    get(&router, "/api/v1/events").await.problem(503, "too-many-streams");
    streams.pop();
    assert_eq!(open().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn totals_wait_for_what_the_client_has_sent() {
    let (sender, router, _) = service(view(&VALUES[..1]));
    let counted = async |question: &str| {
        get(&router, &format!("/api/v1/totals?{question}")).await.json()["counted"].clone()
    };
    assert_eq!(counted("after=0:0").await, 1, "that is counted already");
    let asked = counted("after=0:2,0:1&wait_ms=30000");
    let counting = async { sender.send_replace(Arc::new(view(&VALUES[..3]))) };
    assert_eq!(tokio::join!(asked, counting).0, 3);
    let late = get(&router, "/api/v1/totals?after=1:0&wait_ms=1").await;
    late.problem(503, "not-counted-yet");
    assert_eq!(late.header("retry-after"), "2");
    for (question, field) in
        [("after=1", "after"), ("after=0:x", "after"), ("wait_ms=x", "wait_ms")]
    {
        let answer = get(&router, &format!("/api/v1/totals?{question}")).await;
        assert_eq!(answer.problem(422, "invalid-question")["field"], field);
    }
}
