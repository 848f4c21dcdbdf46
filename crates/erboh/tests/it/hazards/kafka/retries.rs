//! The same rating twice: whoever does not hear an acknowledgement sends again.

use std::collections::BTreeMap;
use std::time::Duration;

use erboh::queue::Topics;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::roles::{Role, Roles};
use super::super::stage::Stage;
use crate::WAIT_MAX;
use crate::load::{agent, post};
use crate::support::wait::{becomes, eventually};

const PARTITIONS: i32 = 3;
const RATINGS: usize = 8;

/// Longer than one try of the foreign producer, so that its first tries all end without an answer.
const STANDSTILL: Duration = Duration::from_secs(3);

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn a_rating_whose_acknowledgement_was_lost_counts_once_when_it_is_sent_again() {
    let mut stage = Stage::enter();
    let roles = stage.roles(PARTITIONS);
    let (producer, consumer) = (roles.producer(&[]), roles.consumers(1).remove(0));
    let ratings: Vec<String> = (0..RATINGS).map(|_| rating(&Uuid::now_v7().to_string())).collect();
    // So that there are connections that the ratings can be lost on.
    let first = send(&producer, &rating(&Uuid::now_v7().to_string()));
    assert_eq!(first.0, 201, "{first:?}");

    let answers = stage.while_paused(|| {
        std::thread::scope(|scope| {
            let begin = |rating: &'_ String| {
                let (rating, producer) = (rating.clone(), &producer);
                scope.spawn(move || send(producer, &rating))
            };
            let sending: Vec<_> = ratings.iter().map(begin).collect();
            sending.into_iter().map(|sent| sent.join().unwrap()).collect::<Vec<_>>()
        })
    });
    for ((status, answer), rating) in answers.iter().zip(&ratings) {
        assert!([503, 504].contains(status), "{status} {answer}");
        let sent: Value = serde_json::from_str(rating).unwrap();
        assert_eq!(answer["id"], sent["id"], "the answer says what to send again: {answer}");
    }
    let unknown = answers.iter().filter(|(status, _)| *status == 504).count();
    for rating in &ratings {
        becomes("it is taken", || send(&producer, rating).0 == 201);
    }
    let copies = demand_each_counted_once(&roles, &consumer, RATINGS + 1);
    assert!(copies.values().all(|count| *count <= 2), "{copies:?}");
    let twice = copies.values().filter(|count| **count == 2).count();
    assert!(0 < twice && twice <= unknown, "{twice} of {unknown} unknown ones were taken");
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn what_a_producer_without_idempotence_repeats_counts_once() {
    let mut stage = Stage::enter();
    let roles = stage.roles(PARTITIONS);
    let consumer = roles.consumers(1).remove(0);
    let foreign: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", stage.cluster().bootstrap())
        .set("enable.idempotence", "false")
        .set("socket.timeout.ms", "1000")
        .create()
        .unwrap();
    let ratings = Topics::default().ratings;
    let send = || {
        let id = Uuid::now_v7().to_string();
        let value = rating(&id);
        foreign.send(BaseRecord::to(&ratings).key(&id).payload(&value)).unwrap();
    };
    send();
    foreign.flush(WAIT_MAX).unwrap();
    stage.while_paused(|| {
        (0..RATINGS).for_each(|_| send());
        let _ = foreign.flush(STANDSTILL);
    });
    foreign.flush(WAIT_MAX).unwrap();
    let copies = demand_each_counted_once(&roles, &consumer, RATINGS + 1);
    assert!(copies.values().any(|count| *count > 1), "nothing was repeated: {copies:?}");
}

/// Waits until the consumer has counted all that is in the log: each id once, and its other
/// copies as duplicates. Answers how many copies of each id there are.
#[track_caller]
fn demand_each_counted_once(roles: &Roles, consumer: &Role, ids: usize) -> BTreeMap<String, usize> {
    eventually("the board shows each rating once", || {
        let mut copies = BTreeMap::<String, usize>::new();
        let mut ends = json!({});
        for partition in 0..PARTITIONS {
            roles.read(&Topics::default().ratings, partition, |record| {
                let id = String::from_utf8(record.key().unwrap().to_vec()).unwrap();
                *copies.entry(id).or_default() += 1;
                ends[partition.to_string()] = json!(record.offset() + 1);
            });
        }
        let totals = consumer.totals()?;
        // A late copy may be on its way, so that log and board are compared until they agree.
        let is_same = |(partition, end): (&String, &Value)| totals["position"][partition] == *end;
        if !ends.as_object().unwrap().iter().all(is_same) {
            return None;
        }
        let records: usize = copies.values().sum();
        assert_eq!(copies.len(), ids, "every rating is in the log: {copies:?}");
        assert_eq!(totals["counted"], json!(ids), "{totals} of {copies:?}");
        assert_eq!(totals["duplicates"], json!(records - ids), "{totals} of {copies:?}");
        assert_eq!(totals["dead"], json!(0), "{totals}");
        Some(copies)
    })
}

fn send(producer: &Role, rating: &str) -> (u16, Value) {
    post(&agent(), &producer.url, rating).expect("a producer always answers")
}

fn rating(id: &str) -> String {
    json!({"id": id, "battle": "One vs Two", "voice1": "A", "voice2": "B", "rating": 1}).to_string()
}
