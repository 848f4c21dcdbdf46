//! The API of the simulations, mostly without a broker: orders, changes, limits.

use std::collections::BTreeSet;

use erboh::producer::simulations::limits::{KEPT_MAX, RUNNING_MAX};
use serde_json::{Value, json};

use super::stage::{SIMULATIONS, Stage, number, of, start, when};
use crate::support::producer::lonely;
use crate::web::{get, post_json};

#[tokio::test]
async fn a_simulation_is_answered_as_it_was_ordered() {
    let producer = lonely();
    let order = json!({"duration_ms": 60_000, "rate": 0.5, "seed": 7, "researchers": 3});
    let simulation = start(&producer, &order).await;
    for (name, value) in order.as_object().unwrap() {
        assert_eq!(simulation[name], *value, "{simulation}");
    }
    assert_eq!(simulation["state"], "running");
    assert_eq!((&simulation["count"], &simulation["last_error"]), (&Value::Null, &Value::Null));
    assert!(number(&simulation, "started_ms") > 1_700_000_000_000, "{simulation}");
    let listed = get(&producer, SIMULATIONS).await.json();
    assert_eq!(listed["simulations"][0]["id"], simulation["id"]);
    assert_eq!(listed["history"]["acknowledged"], json!([]));
    let drawn =
        [start(&producer, &json!({"rate": 1})).await, start(&producer, &json!({"rate": 1})).await];
    assert_ne!(number(&drawn[0], "seed"), number(&drawn[1], "seed"));
}

#[tokio::test]
async fn an_order_may_begin_with_a_byte_order_mark() {
    let producer = lonely();
    let answer = post_json(&producer, SIMULATIONS, "\u{feff}{\"rate\": 1}").await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let changed = of(&producer, "PATCH", &answer.json(), "\u{feff}{\"rate\": 2}").await;
    assert_eq!((changed.status.as_u16(), &changed.json()["rate"]), (200, &json!(2)));
}

#[tokio::test]
async fn what_is_no_order_is_refused_with_the_field() {
    let producer = lonely();
    let check = async |body: &str, field: &str| {
        let answer = post_json(&producer, SIMULATIONS, body.to_owned()).await;
        assert_eq!(answer.problem(422, "invalid-simulation")["field"], field, "{body}");
    };
    check("[]", "value").await;
    check("{}", "rate").await;
    check(r#"{"rate": 200001}"#, "rate").await;
    check(r#"{"rate": 1, "count": -1}"#, "count").await;
    check(r#"{"rate": 1, "count": 5, "duration_ms": 5}"#, "duration_ms").await;
    check(r#"{"rate": 1, "<b>": 5}"#, "<b>").await;
    post_json(&producer, SIMULATIONS, "{").await.problem(400, "not-json");
    post_json(&producer, SIMULATIONS, " ".repeat(20_000)).await.problem(413, "too-large");
    assert_eq!(get(&producer, SIMULATIONS).await.json()["simulations"], json!([]));
}

#[tokio::test]
async fn a_simulation_that_is_not_there_is_not_found() {
    let producer = lonely();
    for id in ["0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f", "7"] {
        let id = json!({ "id": id });
        for method in ["GET", "PATCH", "DELETE"] {
            of(&producer, method, &id, "{}").await.problem(404, "no-simulation");
        }
        let path = format!("{SIMULATIONS}/{}/events", id["id"].as_str().unwrap());
        get(&producer, &path).await.problem(404, "no-simulation");
    }
}

#[tokio::test]
async fn another_rate_holds_at_once() {
    let producer = lonely();
    let simulation = start(&producer, &json!({"rate": 0.1})).await;
    let changed = of(&producer, "PATCH", &simulation, r#"{"rate": 12.5}"#).await;
    assert_eq!((changed.status.as_u16(), &changed.json()["rate"]), (200, &json!(12.5)));
    let check = async |body: &str, field: &str| {
        let answer = of(&producer, "PATCH", &simulation, body).await;
        assert_eq!(answer.problem(422, "invalid-simulation")["field"], field, "{body}");
    };
    check(r#"{"rate": 0}"#, "rate").await;
    check(r#"{"rate": 1, "count": 2}"#, "count").await;
    of(&producer, "DELETE", &simulation, "").await;
    let late = of(&producer, "PATCH", &simulation, r#"{"rate": 1}"#).await;
    late.problem(409, "not-running");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_run_at_once_and_so_many_are_remembered() {
    let stage = Stage::set().await;
    let producer = &stage.producer;
    let mut running = Vec::new();
    for _ in 0..RUNNING_MAX {
        running.push(start(producer, &json!({"rate": 0.1})).await);
    }
    let order = json!({"rate": 1000, "count": 1}).to_string();
    let full = post_json(producer, SIMULATIONS, order.clone()).await;
    let problem = full.problem(409, "too-many-simulations");
    assert!(problem["detail"].as_str().unwrap().contains("stop one"), "{problem}");
    let stopped = of(producer, "DELETE", &running[1], "").await.json();
    assert_eq!(stopped["state"], "stopped");
    for _ in 0..KEPT_MAX {
        let answer = post_json(producer, SIMULATIONS, order.clone()).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        when(producer, &answer.json(), |simulation| simulation["state"] == "finished").await;
    }
    let listed = get(producer, SIMULATIONS).await.json();
    let listed = listed["simulations"].as_array().unwrap();
    let ids: BTreeSet<&str> = listed.iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), KEPT_MAX);
    for one in &running {
        let kept = one["id"] != running[1]["id"];
        assert_eq!(ids.contains(one["id"].as_str().unwrap()), kept, "only those that ended go");
    }
    of(producer, "GET", &running[1], "").await.problem(404, "no-simulation");
}
