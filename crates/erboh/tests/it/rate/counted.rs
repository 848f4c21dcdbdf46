//! The form on a real broker: what is sent is counted once, however often the form arrives.

use axum::Router;
use axum::http::StatusCode;
use erboh::producer::{Settings, router};
use erboh_testbed::Link;
use serde_json::Value;

use super::{encoded, post, value};
use crate::support::board::Board;
use crate::support::broker::Broker;
use crate::support::producer;
use crate::web::{Answer, get};

/// Producer and board on an embedded broker, which they reach over a link.
struct Stage {
    producer: Router,
    board: Board,
    link: Link,
    broker: Broker,
}

impl Stage {
    async fn start() -> Self {
        let (broker, link) = Broker::behind_link().await;
        let board_url = Some("http://board.example/".to_owned());
        let settings = Settings { board_url, ..producer::settings() };
        let producer = router(producer::on(&broker.kafka, settings));
        let board = Board::start(&broker.kafka);
        Self { producer, board, link, broker }
    }

    /// A form as it comes to a browser, filled in.
    async fn filled_in(&self, battle: &str) -> String {
        let form = get(&self.producer, "/rate").await.text;
        let id = value(&form, "id");
        filled_in(&id, battle)
    }

    /// The totals with everything counted that was sent to these places.
    async fn totals(&self, places: &[String]) -> Value {
        let path = format!("/api/v1/totals?wait_ms=30000&after={}", places.join(","));
        let answer = get(&self.board.router, &path).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()
    }

    async fn close(self) {
        self.board.stop().await;
        self.broker.close().await;
    }
}

fn filled_in(id: &str, battle: &str) -> String {
    encoded(&[
        ("id", id),
        ("battle", battle),
        ("voice1", "Joan of Arc"),
        ("voice2", "Macho Man"),
        ("rating", "2"),
        ("rater", "Zoë"),
    ])
}

/// Checks that the form was taken, and gives the place where the rating is.
fn sent(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let place = answer.header("location").strip_prefix("/rate?sent=");
    place.expect("the form's own page").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_arrives_twice_counts_once() {
    let stage = Stage::start().await;
    let form = stage.filled_in("Moses vs Santa Claus").await;
    // A double click: the second arrives while the first is under way.
    let clicks =
        tokio::join!(post(&stage.producer, form.clone()), post(&stage.producer, form.clone()));
    let mut places = vec![sent(&clicks.0), sent(&clicks.1)];
    // Somebody goes back and sends it once more.
    places.push(sent(&post(&stage.producer, form).await));
    assert!(places[..2].contains(&places[2]), "it is not written once more: {places:?}");
    // The page that says so can be loaded as often as one likes.
    for _ in 0..3 {
        let page = get(&stage.producer, &format!("/rate?sent={}", places[0])).await;
        assert!(page.text.contains("Your rating is on the queue"), "{}", page.text);
        assert!(page.text.contains(r#"<a href="http://board.example/">"#), "{}", page.text);
    }
    // The same opinion in a new form is a rating of its own.
    let next = stage.filled_in("Moses vs Santa Claus").await;
    places.push(sent(&post(&stage.producer, next).await));
    let totals = stage.totals(&places).await;
    assert_eq!((&totals["counted"], &totals["dead"]), (&2.into(), &0.into()), "{totals}");
    let rows = totals["voices"].as_array().expect("voices");
    for voice in ["Joan of Arc", "Macho Man"] {
        let row = rows.iter().find(|row| row["voice"] == voice).expect("the voice");
        assert_eq!((&row["count"], &row["sum"]), (&2.into(), &4.into()), "{row}");
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_was_sent_and_changed_is_a_rating_of_its_own() {
    let stage = Stage::start().await;
    let form = stage.filled_in("Moses vs Santa Claus").await;
    let mut places = vec![sent(&post(&stage.producer, form.clone()).await)];
    // Somebody goes back, changes the battle and sends again: never dropped without a word.
    let changed = form.replace("Moses", "Mozart");
    let answer = post(&stage.producer, changed.clone()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    assert!(answer.text.contains("You have sent this form before"), "{}", answer.text);
    assert!(answer.text.contains("Send this one too</button>"), "{}", answer.text);
    let battle = value(&answer.text, "battle");
    assert_eq!(battle, "Mozart vs Santa Claus");
    let next = filled_in(&value(&answer.text, "id"), &battle);
    assert_ne!(next, changed, "it has an id of its own");
    places.push(sent(&post(&stage.producer, next).await));
    let totals = stage.totals(&places).await;
    assert_eq!((&totals["counted"], &totals["duplicates"]), (&2.into(), &0.into()), "{totals}");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_that_nobody_knows_is_called_so_and_can_be_tried_again() {
    let stage = Stage::start().await;
    let mut places = vec![sent(&post(&stage.producer, stage.filled_in("before").await).await)];
    let form = stage.filled_in("Moses vs Santa Claus").await;
    stage.link.cut();
    let answer = post(&stage.producer, form.clone()).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT, "{}", answer.text);
    assert!(answer.text.contains("may or may not be on the queue"), "{}", answer.text);
    let again = filled_in(&value(&answer.text, "id"), &value(&answer.text, "battle"));
    assert_eq!(again, form, "the page keeps the id and all that was typed");
    stage.link.heal();
    places.push(sent(&post(&stage.producer, again).await));
    let totals = stage.totals(&places).await;
    assert_eq!(totals["counted"], 2, "{totals}");
    stage.close().await;
}
