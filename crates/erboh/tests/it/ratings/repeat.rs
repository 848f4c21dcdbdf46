//! Repetition: who sends a rating again is told where it is, and it counts once.

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use erboh::producer;
use erboh::producer::access::Guard;
use futures_util::stream;
use serde_json::{Value, json};

use super::{ID, JSON, NDJSON, lines, post, rating, rating_with, records};
use crate::support::broker::Broker;
use crate::web::Answer;

fn created(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_id_or_key_gives_the_same_place() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let key = [("idempotency-key", "order-17")];
    let uuid_key = [("idempotency-key", ID)];

    let one = created(&post(&router, JSON, &[], rating_with(ID, "one")).await);
    for headers in [&[][..], &uuid_key] {
        assert_eq!(created(&post(&router, JSON, headers, rating_with(ID, "one")).await), one);
    }
    assert_eq!(created(&post(&router, JSON, &uuid_key, rating("one")).await), one);
    let spaced = rating_with(ID, "  one ").replace(',', " , ");
    assert_eq!(created(&post(&router, JSON, &[], spaced).await), one, "white space says nothing");
    assert_eq!(records(&broker).await, 1);

    let two = created(&post(&router, JSON, &key, rating("two")).await);
    assert_eq!(created(&post(&router, JSON, &key, rating("two")).await), two);
    assert_eq!(two["id"], "ee3645df-ee4c-8354-99a1-ce99443c5718");
    assert_eq!(records(&broker).await, 2);

    // Without a name two equal ratings are two ratings.
    let free = created(&post(&router, JSON, &[], rating("free")).await);
    assert_ne!(created(&post(&router, JSON, &[], rating("free")).await), free);
    assert_eq!(records(&broker).await, 4);
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_callers_with_the_same_key_send_two_ratings() {
    let broker = Broker::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let tokens = "lab:0123456789abcdef\nlab:0123456789ABCDEF\nlib:fedcba9876543210";
    std::fs::write(file.path(), tokens).unwrap();
    let guard = Guard::by_file(file.path().to_owned()).unwrap();
    let router = producer::router(broker.role().with_guard(guard));
    let send = async |token: &str| {
        let headers = [("idempotency-key", "1"), ("authorization", &format!("Bearer {token}"))];
        created(&post(&router, JSON, &headers, rating("one")).await)
    };
    let lab = send("0123456789abcdef").await;
    assert_ne!(send("fedcba9876543210").await["id"], lab["id"]);
    assert_eq!(send("0123456789ABCDEF").await, lab, "a caller may change tokens meanwhile");
    assert_eq!(records(&broker).await, 2);
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_rating_with_the_same_id_is_refused() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let key = [("idempotency-key", "order-17")];
    created(&post(&router, JSON, &[], rating_with(ID, "one")).await);
    created(&post(&router, JSON, &key, rating("one")).await);
    let reused = post(&router, JSON, &[], rating_with(ID, "other")).await.problem(422, "id-reused");
    assert_eq!(reused["field"], "id");
    post(&router, JSON, &key, rating("other")).await.problem(422, "id-reused");
    let both = post(&router, JSON, &key, rating_with(ID, "one")).await;
    assert_eq!(both.problem(422, "invalid-rating")["field"], "id");
    post(&router, JSON, &[("idempotency-key", "a b")], rating("x"))
        .await
        .problem(400, "bad-idempotency-key");
    assert_eq!(records(&broker).await, 2);
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_items_of_a_list_follow_from_its_key() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let key = [("idempotency-key", "upload-1")];
    let items = [rating("one"), rating_with(ID, "two"), rating("three")];
    let upload = items.join("\n");
    let first = lines(&post(&router, NDJSON, &key, upload.clone()).await);
    assert_eq!((&first[3]["created"], &first[1]["id"]), (&json!(3), &json!(ID)));
    assert_eq!(lines(&post(&router, NDJSON, &key, upload).await), first);
    assert_eq!(records(&broker).await, 3);

    // An array is another form of the same list.
    let list = post(&router, JSON, &key, format!("[{}]", items.join(","))).await.json();
    for index in 0..3 {
        assert_eq!(list["items"][index]["offset"], first[index]["offset"]);
    }
    // One that goes on where the first broke off writes only what is new.
    let longer = [items.join("\n"), rating("four")].join("\n");
    let longer = lines(&post(&router, NDJSON, &key, longer).await);
    assert_eq!(longer[..3], first[..3]);
    assert_eq!(records(&broker).await, 4);

    let other = [rating("one"), rating_with(ID, "other")].join("\n");
    let other = lines(&post(&router, NDJSON, &key, other).await);
    assert_eq!(
        (&other[0], &other[1]["status"], &other[1]["field"]),
        (&first[0], &json!("invalid"), &json!("id"))
    );
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_with_a_key_that_broke_off_is_sent_again_from_its_beginning() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let key = [("idempotency-key", "upload-1")];
    let upload = format!("{}\n{}\n", rating("one"), rating("two"));
    let first = upload.lines().next().unwrap();
    let pieces = [Ok(Bytes::from(format!("{first}\n"))), Err(std::io::Error::other("gone"))];
    let cut_off = Body::from_stream(stream::iter(pieces));
    let cut_off = lines(&post(&router, NDJSON, &key, cut_off).await);
    let reason = cut_off[1]["reason"].as_str().unwrap();
    // The second line by itself would have the id of the first.
    let advice = "send the whole upload again with the same Idempotency-Key, or the lines after line 1 with another one";
    assert!(reason.ends_with(advice), "{reason}");
    let whole = lines(&post(&router, NDJSON, &key, upload).await);
    assert_eq!((&whole[0], &whole[2]["created"]), (&cut_off[0], &json!(2)));
    assert_eq!(records(&broker).await, 2);
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twice_in_one_request_is_written_or_refused_but_counted_once() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let same = rating_with(ID, "one");
    let body = format!("{same}\n{same}\n{}\n", rating_with(ID, "other"));
    let found = lines(&post(&router, NDJSON, &[], body).await);
    let statuses: Vec<_> = found.iter().map(|line| line["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["created", "created", "invalid", "done"]);
    // The first was not acknowledged when the second came; the counting drops one of them.
    assert_eq!(records(&broker).await, 2);
    assert_eq!(
        found[0]["partition"], found[1]["partition"],
        "a duplicate can only be seen in its partition"
    );
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_does_not_know_the_id_writes_it_again() {
    let broker = Broker::start().await;
    let one = created(&post(&broker.producer(), JSON, &[], rating_with(ID, "one")).await);
    let two = created(&post(&broker.producer(), JSON, &[], rating_with(ID, "one")).await);
    assert_eq!((&one["id"], &one["partition"]), (&two["id"], &two["partition"]));
    assert_ne!(one["offset"], two["offset"]);
    assert_eq!(records(&broker).await, 2);
    broker.close().await;
}
