//! Lines: an answer line for each, and a last one that says how it ended.

use std::time::Duration;

use axum::body::{Body, Bytes};
use erboh::limits::{STREAM_BYTES, STREAMS_BYTES};
use futures_util::future::{join_all, select_all};
use futures_util::stream;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{ID, JSON, NDJSON, RATINGS, lines, post, rating, rating_with, records};
use crate::WAIT_MAX;
use crate::support::broker::Broker;
use crate::support::wait::until;
use crate::web::{ask, post_json};

/// So many streams take all the room there is.
const STREAMS: usize = STREAMS_BYTES / STREAM_BYTES;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_line_has_its_answer() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let mut body = b"\xef\xbb\xbf".to_vec();
    let long = rating(&"x".repeat(100_000));
    for line in [&*rating_with(ID, "one"), "", "{", " \t", &rating("\u{1}"), &long, "a|b|c|1"] {
        body.extend_from_slice(line.as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"{\"battle\":\"\xff\"}\n");
    body.extend_from_slice(rating("last").as_bytes());
    for kind in [NDJSON, "application/ndjson", "application/jsonl; charset=utf-8"] {
        let answer = post(&router, kind, &[], body.clone()).await;
        let found = lines(&answer);
        let items: Vec<_> = found
            .iter()
            .map(|line| {
                (line["line"].as_u64(), line["status"].as_str().unwrap(), line["field"].as_str())
            })
            .collect();
        assert_eq!(
            items,
            [
                (Some(1), "created", None),
                (Some(3), "invalid", Some("value")),
                (Some(5), "invalid", Some("value")),
                (Some(6), "invalid", Some("value")),
                (Some(7), "invalid", Some("value")),
                (Some(8), "invalid", Some("value")),
                (Some(9), "created", None),
                (None, "done", None),
            ]
        );
        let done = json!({"status": "done", "created": 2, "invalid": 5, "unavailable": 0, "unknown": 0, "lines": 9});
        assert_eq!(found[7], done);
        assert_eq!(found[0]["id"], ID);
    }
    // The first line stands there once: it has an id. The last is a new rating each time.
    assert_eq!(records(&broker).await, 4);
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minimal_answer_has_only_what_was_not_created() {
    let broker = Broker::start().await;
    let body = format!("{}\nno\n{}\n", rating("one"), rating("two"));
    let answer = post(&broker.producer(), NDJSON, &[("prefer", "return=minimal")], body).await;
    assert_eq!(answer.header("preference-applied"), "return=minimal");
    let found = lines(&answer);
    assert_eq!(
        (found.len(), &found[0]["line"], &found[0]["status"]),
        (2, &json!(2), &json!("invalid"))
    );
    assert_eq!((&found[1]["created"], &found[1]["lines"]), (&json!(2), &json!(3)));
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_upload_is_done_at_once() {
    let broker = Broker::start().await;
    let answer = post(&broker.producer(), NDJSON, &[], "").await;
    let done = json!({"status": "done", "created": 0, "invalid": 0, "unavailable": 0, "unknown": 0, "lines": 0});
    assert_eq!(lines(&answer), [done]);
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_breaks_off_keeps_what_was_sent_and_takes_no_half_line() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let whole = format!("{}\n{}\n", rating("one"), rating("two"));
    // The last piece would be a rating, had its line come to its end.
    let pieces =
        [Ok(Bytes::from(whole)), Ok(rating("three").into()), Err(std::io::Error::other("gone"))];
    let answer = post(&router, NDJSON, &[], Body::from_stream(stream::iter(pieces))).await;
    let found = lines(&answer);
    assert_eq!(found.len(), 3, "{}", answer.text);
    assert_eq!(
        (&found[2]["status"], &found[2]["created"], &found[2]["lines"]),
        (&json!("aborted"), &json!(2), &json!(2))
    );
    assert!(found[2]["reason"].as_str().unwrap().ends_with("go on after line 2"), "{}", found[2]);
    assert_eq!(records(&broker).await, 2);

    let nothing = stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]);
    let answer = post(&router, NDJSON, &[], Body::from_stream(nothing)).await;
    answer.problem(400, "body-not-read");
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_only_so_many_at_once() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let mut open = Vec::new();
    let refused = loop {
        let pending = stream::unfold(true, async |first| {
            if !first {
                std::future::pending::<()>().await;
            }
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"no\n")), false))
        });
        let request = axum::http::Request::post(RATINGS).header("content-type", NDJSON);
        let request = request.body(Body::from_stream(pending)).unwrap();
        let response = tower::ServiceExt::oneshot(router.clone(), request).await.unwrap();
        if response.status() != 200 {
            break response;
        }
        open.push(response);
        assert!(open.len() < 1000, "streams are not bounded");
    };
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(
        post_json(&router, RATINGS, rating("one")).await.status,
        201,
        "single ratings go on"
    );
    drop(open);
    // The places come back although their bodies never end.
    until("room again", async || {
        let request = axum::http::Request::post(RATINGS).header("content-type", NDJSON);
        let answer = ask(&router, request.body(Body::empty()).unwrap()).await;
        (answer.status == 200).then_some(())
    })
    .await;
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_no_rating_makes_room_for_another_stream() {
    let read = CancellationToken::new();
    read.cancel();
    make_room_for_another_stream("x\n".into(), read, "it gave no rating").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_makes_room_for_another_stream() {
    let unread = CancellationToken::new();
    make_room_for_another_stream(rating("one") + "\n", unread, "the answer was not read").await;
}

/// Streams that write this line again and again, and whose answers are read from the moment of `read` on.
async fn make_room_for_another_stream(line: String, read: CancellationToken, why: &str) {
    let broker = Broker::start().await;
    let router = broker.producer();
    let line = Bytes::from(line);
    let open = async || {
        let trickle = stream::unfold(line.clone(), async |line| {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Some((Ok::<_, std::io::Error>(line.clone()), line))
        });
        let request = axum::http::Request::post(RATINGS).header("content-type", NDJSON);
        let request = request.body(Body::from_stream(trickle)).unwrap();
        tower::ServiceExt::oneshot(router.clone(), request).await.unwrap()
    };
    let all = join_all(std::iter::repeat_with(open).take(STREAMS)).await;
    assert!(all.iter().all(|response| response.status() == 200));
    let reading = all.into_iter().map(|response| {
        let read = read.clone();
        tokio::spawn(async move {
            read.cancelled().await;
            axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap()
        })
    });
    let reading: Vec<_> = reading.collect();
    assert_eq!(
        post(&router, JSON, &[], format!("[{}]", rating("one"))).await.status,
        200,
        "lists have room of their own"
    );
    until("room for another", async || {
        let answer = post(&router, NDJSON, &[], rating("two")).await;
        (answer.status == 200 && lines(&answer)[1]["status"] == "done").then_some(())
    })
    .await;
    // One has left. The others go on as soon as they are read.
    read.cancel();
    let ended = tokio::time::timeout(WAIT_MAX, select_all(reading)).await.expect("one has left");
    let text = ended.0.unwrap();
    let last = text.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap();
    let last: Value = serde_json::from_slice(last).unwrap();
    assert_eq!(last["status"], "aborted");
    let reason = last["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("another upload needed its place") && reason.contains(why),
        "{last}"
    );
    broker.close().await;
}
