//! Spellings: what means the same is one thing on the queue, however a client writes it.

use serde_json::{Value, json};

use super::{JSON, NDJSON, lines, post, rating};
use crate::support::broker::Broker;
use crate::web::Answer;

/// What stands on the queue where an answer says.
async fn stands(broker: &Broker, answer: &Value) -> Value {
    let at = |name: &str| answer[name].as_i64().unwrap_or_else(|| panic!("{name}: {answer}"));
    broker.record(at("partition") as i32, at("offset")).await.1
}

fn created(answer: &Answer) -> Value {
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_number_is_that_number_in_every_spelling() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let spelled = |score: &str| rating("numbers").replace(":2}", &format!(":{score}}}"));
    for (score, expected) in [("2.0", 2), ("2e0", 2), ("10E-1", 1), ("-0", 0)] {
        let one = created(&post(&router, JSON, &[], spelled(score)).await);
        assert_eq!(stands(&broker, &one).await["rating"], json!(expected), "{score}");
        let list = post(&router, JSON, &[], format!("[{}]", spelled(score))).await.json();
        assert_eq!(stands(&broker, &list["items"][0]).await["rating"], json!(expected), "{list}");
        let line = &lines(&post(&router, NDJSON, &[], spelled(score)).await)[0];
        assert_eq!(stands(&broker, line).await["rating"], json!(expected), "{line}");
    }
    for score in ["2.5", "-1", "3.0", "1e300", "true"] {
        let problem = post(&router, JSON, &[], spelled(score)).await.problem(422, "invalid-rating");
        assert_eq!(problem["field"], "rating", "{score}: {problem}");
    }
    broker.close().await;
}
