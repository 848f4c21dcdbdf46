//! Arrays: an answer for each element, and nothing sent of what is no array.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::http::Request;
use futures_util::future::{join_all, select_all};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{ID, JSON, RATINGS, gzip, post, rating, rating_with, records};
use crate::support::broker::Broker;
use crate::support::producer::lonely;
use crate::support::wait::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_element_has_its_answer() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let long = rating(&"x".repeat(16 * 1024));
    let twice = rating("one").replace("\"rating\":2", "\"rating\":2,\"rating\":1");
    let elements = [
        rating_with(ID, "one"),
        "7".to_owned(),
        rating("two").replace(":2", ":3"),
        "[[{}]]".to_owned(),
        long,
        twice,
        rating_with(ID, "other"),
        rating("last"),
    ];
    let body = format!(" [ {} ]\n", elements.join(" , "));
    let answer = post(&router, JSON, &[], body.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let list = answer.json();
    let statuses: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["index"].as_u64().unwrap(),
                item["status"].as_str().unwrap(),
                item["field"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        statuses,
        [
            (0, "created", None),
            (1, "invalid", Some("value")),
            (2, "invalid", Some("rating")),
            (3, "invalid", Some("value")),
            (4, "invalid", Some("value")),
            (5, "invalid", Some("value")),
            (6, "invalid", Some("id")),
            (7, "created", None),
        ]
    );
    let counts = ["created", "invalid", "unavailable", "unknown"].map(|name| &list[name]);
    assert_eq!(counts, [&json!(2), &json!(6), &json!(0), &json!(0)]);

    for (index, battle) in [(0, "one"), (7, "last")] {
        let item = &list["items"][index];
        let place = (item["partition"].as_i64().unwrap(), item["offset"].as_i64().unwrap());
        let (key, value) = broker.record(place.0 as i32, place.1).await;
        assert_eq!(
            (&json!(key), &value["id"], &value["battle"]),
            (&item["id"], &item["id"], &json!(battle))
        );
    }
    assert_eq!(records(&broker).await, 2);

    let minimal = post(&router, JSON, &[("prefer", "return=minimal")], body).await;
    assert_eq!(minimal.header("preference-applied"), "return=minimal");
    let list = minimal.json();
    assert_eq!(
        (&list["created"], list["items"].as_array().unwrap().len()),
        (&json!(2), 6),
        "{list}"
    );
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_array_is_answered_in_its_order() {
    let broker = Broker::start().await;
    let elements: Vec<_> = (0..3000).map(|number| rating(&format!("battle {number}"))).collect();
    let answer = post(&broker.producer(), JSON, &[], format!("[{}]", elements.join(","))).await;
    let list = answer.json();
    assert_eq!((&list["created"], list["items"].as_array().unwrap().len()), (&json!(3000), 3000));
    for (index, item) in list["items"].as_array().unwrap().iter().enumerate() {
        assert_eq!(item["index"], index);
    }
    let item = &list["items"][2999];
    let partition = item["partition"].as_i64().unwrap() as i32;
    let (_, value) = broker.record(partition, item["offset"].as_i64().unwrap()).await;
    assert_eq!(value["battle"], "battle 2999");
    assert_eq!(records(&broker).await, 3000);
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_array_or_too_much_of_one_sends_nothing() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let good = rating("good");
    for broken in [
        format!("[{good}"),
        format!("[{good},]"),
        format!("[{good}] x"),
        format!("[{good} {good}]"),
    ] {
        post(&router, JSON, &[], broken).await.problem(400, "not-json");
    }
    let empty = post(&router, JSON, &[], "[ ]").await.json();
    assert_eq!(
        empty,
        json!({"items": [], "created": 0, "invalid": 0, "unavailable": 0, "unknown": 0})
    );
    let many = format!("[{good}{}]", ",1".repeat(65_536));
    post(&router, JSON, &[], many).await.problem(413, "too-large");
    let large = format!("[{good}{}]", " ".repeat(8 * 1024 * 1024));
    post(&router, JSON, &[], large).await.problem(413, "too-large");
    post(&router, JSON, &[], " ".repeat(20_000)).await.problem(413, "too-large");
    assert_eq!(records(&broker).await, 0);
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_takes_keep_their_memory_and_are_so_many_at_once() {
    let router = lonely();
    // Short elements: the answer is 80 times as long.
    let zeros = format!("[0{}]", ",0".repeat(65_535));
    let send = async || {
        let request = Request::post(RATINGS).header("content-type", JSON);
        let request = request.body(Body::from(zeros.clone())).unwrap();
        tower::ServiceExt::oneshot(router.clone(), request).await.unwrap()
    };
    let mut untaken = Vec::new();
    let refused = loop {
        let response = send().await;
        if response.status() != 200 {
            break response;
        }
        untaken.push(response);
        assert!(untaken.len() < 30, "300 MB of answers");
    };
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (429, &"1".parse().unwrap())
    );
    // Taken to its end, an answer gives its memory back. No piece of it is large.
    let mut pieces = untaken.pop().unwrap().into_body().into_data_stream();
    let mut text = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.unwrap();
        assert!(piece.len() < 65 * 1024, "{} bytes", piece.len());
        text.extend_from_slice(&piece);
    }
    drop(pieces);
    let list: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(list["invalid"], 65_536);
    let items = list["items"].as_array().unwrap();
    assert!(items.iter().enumerate().all(|(index, item)| item["index"] == index));
    assert_eq!((items.len(), send().await.status().as_u16()), (65_536, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arrays_that_have_only_begun_keep_nobody_out() {
    let router = lonely();
    let begun = Arc::new(AtomicUsize::new(0));
    let beginnings = (0..40).map(|_| {
        let begun = Arc::clone(&begun);
        // Asked for more, it says so and stays silent: there was room for the beginning.
        let body =
            stream::once(async { Ok::<_, Infallible>("[") }).chain(stream::once(async move {
                begun.fetch_add(1, Ordering::Relaxed);
                std::future::pending().await
            }));
        let request = Request::post(RATINGS).header("content-type", JSON);
        ServiceExt::oneshot(router.clone(), request.body(Body::from_stream(body)).unwrap())
    });
    let mut beginnings = join_all(beginnings);
    let whole = async {
        until("all have begun", async || (begun.load(Ordering::Relaxed) == 40).then_some(())).await;
        post(&router, JSON, &[], "[0]").await
    };
    tokio::select! {
        _ = &mut beginnings => panic!("none of them ends"),
        answer = whole => assert_eq!(answer.json()["invalid"], 1),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_arrays_hold_little_until_their_answers_are_taken() {
    let router = lonely();
    // So many that the answer is more than one piece, which is what keeps the memory.
    let zeros = gzip(&format!("[0{}]", ",0".repeat(2000))).await;
    let mut untaken = Vec::new();
    for _ in 0..25 {
        let request = Request::post(RATINGS).header("content-type", JSON);
        let request = request.header("content-encoding", "gzip").body(Body::from(zeros.clone()));
        let response = ServiceExt::oneshot(router.clone(), request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 200, "after {}", untaken.len());
        untaken.push(response);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_ratings_that_are_being_decompressed_keep_out_no_list() {
    let router = lonely();
    let silent = (0..40).map(|_| {
        let request = Request::post(RATINGS).header("content-type", JSON);
        let body = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let request = request.header("content-encoding", "zstd").body(body).unwrap();
        Box::pin(ServiceExt::oneshot(router.clone(), request))
    });
    // As many as there is room for stay; the others are refused.
    let (refused, _, mut silent) = select_all(silent).await;
    assert_eq!(refused.unwrap().status(), 429);
    let mut silent = join_all(silent.drain(..));
    tokio::select! {
        _ = &mut silent => panic!("those that are there are silent"),
        answer = post(&router, JSON, &[], "[0]") => assert_eq!(answer.json()["invalid"], 1),
    }
}
