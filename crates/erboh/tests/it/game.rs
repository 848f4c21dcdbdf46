//! The game on a real broker: hit the producer, and the board rises by exactly what
//! the page has shown.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::json;

use crate::WAIT_MAX;
use crate::pages::{cells, ids};
use crate::process::erboh;
use crate::support::board::Board;
use crate::support::broker::Broker;
use crate::web::{get, post_json};

/// Adds what a page shows to the sums by voice.
fn add_page(sums: &mut BTreeMap<String, u64>, html: &str) {
    for row in cells(html) {
        let score: u64 = row[3].split(' ').next().expect("a score").parse().expect("a number");
        for voice in &row[1..3] {
            *sums.entry(voice.clone()).or_default() += score;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_board_rises_by_exactly_what_the_page_has_shown() {
    let broker = Broker::start().await;
    let producer = broker.producer();
    let board = Board::start(&broker.kafka);
    let mut sums = BTreeMap::new();
    for hits in 1..=3 {
        let page = get(&producer, "/").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        add_page(&mut sums, &page.text);
        let totals = board.totals_when(|totals| totals["counted"] == hits * 20).await;
        let rows = totals["voices"].as_array().expect("voices").iter();
        let shown = rows.filter(|row| row["count"] != 0).map(|row| {
            (row["voice"].as_str().expect("a name").to_owned(), row["sum"].as_u64().expect("a sum"))
        });
        assert_eq!(shown.collect::<BTreeMap<_, _>>(), sums);
        assert_eq!((&totals["exact"], &totals["duplicates"]), (&json!(true), &json!(0)));
    }
    board.stop().await;
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_exactly_what_is_on_the_topic() {
    let broker = Broker::start().await;
    let html = get(&broker.producer(), "/").await.text;
    let (rows, ids) = (cells(&html), ids(&html));
    assert_eq!((rows.len(), ids.len()), (20, 20));
    assert!(ids.is_sorted_by(|newer, older| newer > older), "newest first: {ids:?}");
    for (row, id) in rows.iter().zip(&ids) {
        let partition = row[4].parse().expect("a partition");
        let offset = row[5].parse().expect("an offset");
        let (key, value) = broker.record(partition, offset).await;
        let word = ["hated", "meh", "liked"][value["rating"].as_u64().expect("a score") as usize];
        assert_eq!((&key, value["id"].as_str()), (id, Some(id.as_str())));
        assert_eq!(
            [&value["battle"], &value["voice1"], &value["voice2"]],
            [&json!(row[0].replace("&#39;", "'")), &json!(row[1]), &json!(row[2])]
        );
        assert_eq!(row[3], format!("{} {word}", value["rating"]));
    }
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rating_that_is_sent_is_answered_with_its_place() {
    let broker = Broker::start().await;
    let producer = broker.producer();
    let id = "0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f";
    let rating = json!({"id": id, "battle": "a vs b", "voice1": "Big Bird", "voice2": "<script>",
                        "rating": 2, "rater": "Ann", "unknown": [1]});
    let answer = post_json(&producer, "/api/v1/ratings", rating.to_string()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let created = answer.json();
    assert_eq!(created["id"], id, "the client's own id is kept");
    let number = |name: &str| created[name].as_i64().expect("a number");
    let (key, value) = broker.record(number("partition") as i32, number("offset")).await;
    assert_eq!(key, id);
    assert_eq!((&value["voice2"], &value["rater"]), (&json!("<script>"), &json!("Ann")));
    let without = r#"{"battle":"a","voice1":"b","voice2":"c","rating":0}"#;
    let answer = post_json(&producer, "/api/v1/ratings", without).await;
    assert_eq!(answer.json()["id"].as_str().map(str::len), Some(36), "an id is given");
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_smoke_test_passes_on_a_broker_and_fails_without_one() {
    let broker = Broker::start().await;
    let brokers = broker.kafka.brokers.clone();
    let smoke = async |limit_ms: u128, code: i32, expected: &[&str]| {
        let limit = format!("--time-limit-ms={limit_ms}");
        let arguments = ["smoke".to_owned(), format!("--brokers={brokers}"), limit];
        let run = tokio::task::spawn_blocking(|| erboh(arguments));
        let output = run.await.expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        for words in expected {
            assert!(text.contains(words), "{words} is not in {text}");
        }
    };
    smoke(WAIT_MAX.as_millis(), 0, &["created, 1 partition", "all 3 came back unchanged"]).await;
    // Other messages are in the topic now.
    smoke(WAIT_MAX.as_millis(), 0, &["found, 1 partition", "all 3 came back unchanged"]).await;
    broker.close().await;
    smoke(500, 1, &["no answer within the time limit", "fail in"]).await;
}
