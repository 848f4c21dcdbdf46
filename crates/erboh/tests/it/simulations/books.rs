//! The books: what simulations say that they sent, next to what is on the topic and on the board.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::stage::{Stage, number, of, start, when};
use crate::support::board::Board;
use crate::support::producer::lonely;
use crate::support::wait::until;

/// Nothing is in flight, so every rating that was sent has an outcome.
#[track_caller]
fn check_sum(simulation: &Value) {
    let sum = ["acknowledged", "failed", "unknown", "refused"].map(|name| number(simulation, name));
    assert_eq!(number(simulation, "sent"), sum.iter().sum::<u64>(), "{simulation}");
}

fn is_finished(simulation: &Value) -> bool {
    simulation["state"] == "finished"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_board_counts_exactly_what_is_acknowledged() {
    let stage = Stage::set().await;
    let board = Board::start(&stage.broker.kafka);
    let orders = [
        json!({"rate": 5_000, "count": 3_000}),
        json!({"rate": 200_000, "count": 4_000, "researchers": 5}),
        json!({"rate": 300, "duration_ms": 500}),
        json!({"rate": 700}),
    ];
    let mut simulations = Vec::new();
    for order in &orders {
        simulations.push(start(&stage.producer, order).await);
    }
    let mut sum = 0;
    // What a busy machine holds back for long is left out where the time is what was ordered.
    for (simulation, sent) in simulations.iter().zip([3_000..=3_000, 4_000..=4_000, 1..=150]) {
        let ended = when(&stage.producer, simulation, is_finished).await;
        check_sum(&ended);
        assert!(sent.contains(&number(&ended, "sent")), "{ended}");
        assert_eq!(number(&ended, "acknowledged"), number(&ended, "sent"), "{ended}");
        sum += number(&ended, "sent");
    }
    let endless = &simulations[3];
    when(&stage.producer, endless, |simulation| number(simulation, "acknowledged") > 100).await;
    let stopped = of(&stage.producer, "DELETE", endless, "").await.json();
    assert_eq!(stopped["state"], "stopped");
    check_sum(&stopped);
    sum += number(&stopped, "acknowledged");
    let again = of(&stage.producer, "DELETE", endless, "").await.json();
    assert_eq!(again, stopped, "what has ended does not change");

    let totals = board.totals_when(|totals| number(totals, "counted") >= sum).await;
    assert_eq!((number(&totals, "counted"), number(&totals, "dead")), (sum, 0));
    assert_eq!((number(&totals, "duplicates"), &totals["exact"]), (0, &json!(true)));
    board.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_seed_gives_the_same_ratings_with_new_ids() {
    let stage = Stage::set().await;
    let order = json!({"rate": 10_000, "count": 500, "seed": 42, "researchers": 4});
    let mut ids = BTreeSet::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..2 {
        let simulation = start(&stage.producer, &order).await;
        when(&stage.producer, &simulation, is_finished).await;
    }
    for mut value in stage.broker.values().await {
        let id = value.as_object_mut().unwrap().remove("id").unwrap();
        assert!(ids.insert(id.as_str().unwrap().to_owned()), "an id is there twice");
        *seen.entry(value.to_string()).or_default() += 1;
    }
    assert_eq!(ids.len(), 1_000);
    assert!(seen.values().all(|times| times % 2 == 0), "each run has made every rating: {seen:?}");
    let raters: BTreeSet<String> = seen
        .keys()
        .map(|value| serde_json::from_str::<Value>(value).unwrap()["rater"].to_string())
        .collect();
    let expected = (1..=4).map(|number| format!("\"researcher {number}\""));
    assert_eq!(raters, expected.collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_accounted_for_and_survived() {
    let mut stage = Stage::set().await;
    let simulation = start(&stage.producer, &json!({"rate": 500})).await;
    let counted = start(&stage.producer, &json!({"rate": 500, "count": 400})).await;
    let is = |name: &'static str, more: u64| move |now: &Value| number(now, name) > more;
    when(&stage.producer, &simulation, is("acknowledged", 20)).await;
    stage.broker.halt().await;
    let lost = |now: &Value| number(now, "failed") + number(now, "unknown") > 0;
    let out = when(&stage.producer, &simulation, lost).await;
    assert_eq!(out["state"], "running", "{out}");
    assert!(out["last_error"].is_string(), "{out}");

    stage.broker.serve().await;
    let acknowledged = number(&out, "acknowledged");
    when(&stage.producer, &simulation, is("acknowledged", acknowledged + 100)).await;
    let stopped = of(&stage.producer, "DELETE", &simulation, "").await.json();
    let counted = when(&stage.producer, &counted, is_finished).await;
    check_sum(&stopped);
    check_sum(&counted);
    assert_eq!(number(&counted, "sent"), 400, "{counted}");

    let on_the_topic = stage.broker.values().await.len() as u64;
    let acknowledged = number(&stopped, "acknowledged") + number(&counted, "acknowledged");
    let unknown = number(&stopped, "unknown") + number(&counted, "unknown");
    assert!(
        (acknowledged..=acknowledged + unknown).contains(&on_the_topic),
        "{on_the_topic} are there, of {stopped} and {counted}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_the_middle_of_an_outage_ends_with_true_numbers() {
    let mut stage = Stage::set().await;
    let simulation = start(&stage.producer, &json!({"rate": 1_000})).await;
    when(&stage.producer, &simulation, |now| number(now, "acknowledged") > 20).await;
    stage.broker.halt().await;
    // More is on its way than is acknowledged: that is the moment.
    until("something is in flight", async || {
        let now = of(&stage.producer, "GET", &simulation, "").await.json();
        (number(&now, "sent") > number(&now, "acknowledged")).then_some(())
    })
    .await;
    let stopped = of(&stage.producer, "DELETE", &simulation, "").await.json();
    assert_eq!(stopped["state"], "stopped", "{stopped}");
    check_sum(&stopped);
    stage.broker.serve().await;
    let on_the_topic = stage.broker.values().await.len() as u64;
    let acknowledged = number(&stopped, "acknowledged");
    let most = acknowledged + number(&stopped, "unknown");
    assert!((acknowledged..=most).contains(&on_the_topic), "{on_the_topic} of {stopped}");
}

#[tokio::test]
async fn without_a_queue_the_load_is_no_flood() {
    let producer = lonely();
    let simulation = start(&producer, &json!({"rate": 200_000})).await;
    let failed = when(&producer, &simulation, |now| number(now, "failed") > 0).await;
    // What was on its way before the first answer; a flood would be 200,000 a second.
    let probing = when(&producer, &simulation, |now| {
        number(now, "failed") > number(&failed, "failed")
            && number(now, "sent") - number(now, "failed") <= 1
    })
    .await;
    assert!(number(&probing, "sent") <= 16 * 2_500 + 100, "{probing}");
    let error = probing["last_error"].as_str().unwrap();
    assert!(error.contains("127.0.0.1:1"), "the address is named: {error}");
    let counted = start(&producer, &json!({"rate": 1, "count": 1})).await;
    let ended = when(&producer, &counted, is_finished).await;
    assert_eq!((number(&ended, "sent"), number(&ended, "failed")), (1, 1));
}
