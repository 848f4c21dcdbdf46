//! The page of simulations as it works without a script.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use erboh::producer::simulations::limits::RUNNING_MAX;
use serde_json::{Value, json};

use super::stage::{SIMULATIONS, Stage, of, start, when};
use crate::support::producer::lonely;
use crate::web::{Answer, ask, get};

const PAGE: &str = "/simulations";

async fn send(producer: &Router, path: &str, form: &str) -> Answer {
    let request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "text/html");
    ask(producer, request.body(Body::from(form.to_owned())).unwrap()).await
}

/// The form's hidden key.
fn key(html: &str) -> String {
    let rest = html.split(r#"name="key" value=""#).nth(1).expect("a key");
    rest.split('"').next().unwrap().to_owned()
}

async fn listed(producer: &Router) -> Vec<Value> {
    get(producer, SIMULATIONS).await.json()["simulations"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_form_that_is_sent_twice_starts_one_simulation() {
    let producer = lonely();
    let html = get(&producer, PAGE).await.text;
    assert!(html.contains("None yet"), "{html}");
    let form = |key: &str| format!("key={key}&rate=12.5&end=time&seconds=90&researchers=3&seed=");
    let first = key(&html);
    for _ in 0..2 {
        let answer = send(&producer, PAGE, &form(&first)).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, PAGE));
    }
    let simulations = listed(&producer).await;
    assert_eq!(simulations.len(), 1);
    assert_eq!(
        (&simulations[0]["rate"], &simulations[0]["duration_ms"], &simulations[0]["researchers"]),
        (&json!(12.5), &json!(90_000), &json!(3))
    );
    let other = key(&get(&producer, PAGE).await.text);
    assert_eq!(send(&producer, PAGE, &form(&other)).await.status, 303);
    assert_eq!(listed(&producer).await.len(), 2, "the next form is another one");
}

#[tokio::test]
async fn what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost() {
    let producer = lonely();
    let key = key(&get(&producer, PAGE).await.text);
    let form = format!("key={key}&rate=%22%3E%3Cb%3E&end=count&count=0&seed=x");
    let answer = send(&producer, PAGE, &form).await;
    assert_eq!(answer.status, 422);
    for text in [
        r#"value="&#34;&#62;&#60;b&#62;""#,
        r#"id="rate-error">The rate must be a number from 0.1 to 200000"#,
        r#"id="count-error">The number of ratings must be a whole number from 1"#,
        r#"id="seed-error">The seed must be a whole number"#,
        r#"value="count" checked"#,
        "<details open>",
        &format!(r#"name="key" value="{key}""#),
    ] {
        assert!(answer.text.contains(text), "{text} is missing in {}", answer.text);
    }
    assert!(!answer.text.contains("<b>\""), "{}", answer.text);
    assert_eq!(listed(&producer).await, [] as [Value; 0]);
    let lost = send(&producer, PAGE, "key=x&rate=1&end=stop").await;
    assert!(lost.text.contains("has a new one now"), "{}", lost.text);
    assert_ne!(self::key(&lost.text), "x");
    let text = Request::post(PAGE).header("content-type", "text/plain");
    let text = ask(&producer, text.body(Body::from("rate=1")).unwrap()).await;
    text.problem(415, "not-a-form");
}

#[tokio::test]
async fn when_all_places_are_taken_the_form_says_so_and_can_be_sent_again() {
    let producer = lonely();
    let mut last = Value::Null;
    for _ in 0..RUNNING_MAX {
        last = start(&producer, &json!({"rate": 0.1})).await;
    }
    let key = key(&get(&producer, PAGE).await.text);
    let form = format!("key={key}&rate=1&end=stop");
    let full = send(&producer, PAGE, &form).await;
    assert_eq!(full.status, 409);
    assert!(full.text.contains("Nothing was started"), "{}", full.text);
    assert!(full.text.contains(&format!("{RUNNING_MAX} simulations run already")), "{}", full.text);
    of(&producer, "DELETE", &last, "").await;
    assert_eq!(send(&producer, PAGE, &form).await.status, 303, "the same form, the same key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_buttons_of_a_card_stop_it_and_change_its_rate() {
    let stage = Stage::set().await;
    let producer = &stage.producer;
    let simulation = start(producer, &json!({"rate": 50})).await;
    let id = simulation["id"].as_str().unwrap();
    let html = get(producer, PAGE).await.text;
    for action in ["rate", "stop"] {
        assert!(html.contains(&format!(r#"action="/simulations/{id}/{action}""#)), "{html}");
    }
    let place = format!("{PAGE}#s-{id}");
    let changed = send(producer, &format!("{PAGE}/{id}/rate"), "rate=1%2C000").await;
    assert_eq!((changed.status.as_u16(), changed.header("location")), (303, &*place));
    when(producer, &simulation, |now| now["rate"] == 1_000 && now["acknowledged"] != 0).await;
    let wrong = send(producer, &format!("{PAGE}/{id}/rate"), "rate=0").await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains("from 0.1 to 200000"), "{}", wrong.text);
    let stopped = send(producer, &format!("{PAGE}/{id}/stop"), "").await;
    assert_eq!((stopped.status.as_u16(), stopped.header("location")), (303, &*place));
    let ended = of(producer, "GET", &simulation, "").await.json();
    assert_eq!(ended["state"], "stopped", "it has ended when the page is shown again");
    let html = get(producer, PAGE).await.text;
    let shown = format!(r#"<dd data-cell="acknowledged">{}</dd>"#, ended["acknowledged"]);
    assert!(html.replace(',', "").contains(&shown), "{ended}: {html}");
    let gone = send(producer, "/simulations/7/stop", "").await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn a_card_says_why_ratings_failed_within_the_content_policy() {
    let producer = lonely();
    let order = json!({"rate": 10, "count": 1});
    let simulation = start(&producer, &order).await;
    let ended = when(&producer, &simulation, |now| now["state"] == "finished").await;
    let error = ended["last_error"].as_str().unwrap();
    let html = get(&producer, PAGE).await.text;
    assert!(html.contains(error.split(['\'', '"', '<']).next().unwrap()), "{error} in {html}");
    assert_eq!(html.matches("<script").count(), 3, "{html}");
    assert!(!html.contains("style=") && !html.contains("<script>"), "forbidden: {html}");
}
