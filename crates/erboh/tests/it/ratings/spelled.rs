//! Spellings: what means the same is one thing on the queue, however a client writes it.

use erboh::limits::RATING_BYTES_MAX;
use serde_json::{Value, json};

use super::{ID, JSON, NDJSON, gzip, lines, post, rating, rating_with, records};
use crate::support::broker::Broker;
use crate::support::producer::lonely;
use crate::web::Answer;

const NFC: &str = "Ren\u{e9}e";
const NFD: &str = "Rene\u{301}e";
const BYTE_ORDER_MARK: &str = "\u{feff}";

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_forms_of_a_name_are_one_name() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let named = |name: &str| {
        let rating = rating_with(ID, name).replace("Big Bird", name);
        rating.replace('}', &format!(r#","rater":"{name}"}}"#))
    };
    let decomposed = created(&post(&router, JSON, &[], named(NFD)).await);
    let record = stands(&broker, &decomposed).await;
    for field in ["battle", "voice1", "rater"] {
        assert_eq!(record[field], NFC, "{field} of {record}");
    }
    // So it is the same rating, and neither another one nor one more.
    assert_eq!(created(&post(&router, JSON, &[], named(NFC)).await), decomposed);
    assert_eq!(records(&broker).await, 1);

    let itself = rating("x").replace("Big Bird", NFC).replace("Macho Man", NFD);
    let problem = post(&router, JSON, &[], itself).await.problem(422, "invalid-rating");
    assert_eq!(problem["field"], "voice2", "{problem}");
    broker.close().await;
}

#[tokio::test]
async fn a_name_that_cannot_be_seen_is_none() {
    for name in ["\u{200b}", "\u{202e}", "\u{ad} \u{2060}", "\u{3164}", "\u{2800}", "\u{e0041}"] {
        for (field, battle) in
            [("battle", rating(name)), ("voice2", rating("x").replace("Macho Man", name))]
        {
            let problem = post(&lonely(), JSON, &[], battle).await.problem(422, "invalid-rating");
            assert_eq!(problem["field"], field, "{}", name.escape_unicode());
            assert_eq!(problem["detail"], format!("{field}: has no visible character"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_byte_order_mark_is_no_part_of_the_json() {
    let broker = Broker::start().await;
    let router = broker.producer();
    let one = format!("{BYTE_ORDER_MARK}{}", rating("one"));
    created(&post(&router, JSON, &[], one.clone()).await);
    created(&post(&router, JSON, &[("content-encoding", "gzip")], gzip(&one).await).await);
    // It does not count as a byte of the rating either.
    let fits = format!("{:<1$}", rating("fits"), RATING_BYTES_MAX);
    created(&post(&router, JSON, &[], format!("{BYTE_ORDER_MARK}{fits}")).await);

    let array = vec![rating("many"); 400].join(",");
    let answer = post(&router, JSON, &[], format!("{BYTE_ORDER_MARK} [{array}]")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["created"]), (200, &json!(400)));
    assert_eq!(records(&broker).await, 403);

    post(&router, JSON, &[], BYTE_ORDER_MARK).await.problem(400, "not-json");
    post(&router, JSON, &[], format!("{BYTE_ORDER_MARK}a|b|c|1")).await.problem(400, "not-json");
    broker.close().await;
}
