//! Compressed bodies: taken, limited and, where they are damaged, told so.

use std::fmt::Write as _;

use serde_json::json;

use super::{JSON, NDJSON, gzip, lines, post, rating, records, zstd};
use crate::support::broker::Broker;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_may_be_compressed() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let (one, list) = (rating("one"), format!("[{},{}]", rating("two"), rating("three")));
    let mut upload = String::new();
    for number in 0..500 {
        writeln!(upload, "{}", rating(&format!("battle {number}"))).unwrap();
    }
    for coding in ["gzip", "zstd", "identity"] {
        let code = async |text: &str| match coding {
            "gzip" => gzip(text).await,
            "zstd" => zstd(text).await,
            _ => text.as_bytes().to_vec(),
        };
        let headers = [("content-encoding", coding)];
        let answer = post(&router, JSON, &headers, code(&one).await).await;
        assert_eq!(answer.status, 201, "{coding} {}", answer.text);
        let answer = post(&router, JSON, &headers, code(&list).await).await;
        assert_eq!(answer.json()["created"], 2, "{coding} {}", answer.text);
        let found = lines(&post(&router, NDJSON, &headers, code(&upload).await).await);
        assert_eq!((found.len(), &found[500]["created"]), (501, &json!(500)), "{coding}");
    }
    assert_eq!(records(&broker).await, 3 * 503);
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_swells_beyond_its_limit_is_refused() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let array = format!("[{}{}]", rating("one"), " ".repeat(9 * 1024 * 1024));
    let single = rating(&"x".repeat(100_000));
    for (coding, array, single) in [
        ("gzip", gzip(&array).await, gzip(&single).await),
        ("zstd", zstd(&array).await, zstd(&single).await),
    ] {
        assert!(array.len() < 100_000, "{coding}");
        let headers = [("content-encoding", coding)];
        post(&router, JSON, &headers, array).await.problem(413, "too-large");
        post(&router, JSON, &headers, single).await.problem(413, "too-large");
    }
    assert_eq!(records(&broker).await, 0);
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_told_where_it_happens() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let noise = "x".repeat(50);
    for coding in ["gzip", "zstd"] {
        let headers = [("content-encoding", coding)];
        for kind in [JSON, NDJSON] {
            post(&router, kind, &headers, noise.clone()).await.problem(400, "body-damaged");
        }
    }
    // Whole members of lines, and then something else: what was decompressed has been sent.
    let mut body = gzip(&format!("{}\n{}\n", rating("one"), rating("two"))).await;
    body.extend_from_slice(noise.as_bytes());
    let found = lines(&post(&router, NDJSON, &[("content-encoding", "gzip")], body).await);
    assert_eq!((&found[2]["status"], &found[2]["created"]), (&json!("aborted"), &json!(2)));
    assert!(found[2]["reason"].as_str().unwrap().contains("damaged"), "{}", found[2]);
    assert_eq!(records(&broker).await, 2);
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codings_that_are_not_known_are_named() {
    let broker = Broker::start().await;
    let router = broker.producer();
    for coding in ["br", "gzip, gzip", "deflate"] {
        let answer = post(&router, JSON, &[("content-encoding", coding)], rating("one")).await;
        answer.problem(415, "unsupported-coding");
        assert_eq!(answer.header("accept-encoding"), "gzip, zstd");
    }
    broker.close().await;
}
