//! The sentences of librdkafka's log that say what nothing else says (ADR 20): provoked here for real, so that a version
//! that puts them otherwise fails. Where leaders change, and what statistics say, is provoked beside the code that reads
//! it, against librdkafka's own mock cluster.

use std::time::{Duration, Instant};

use erboh::queue::{Event, Reader};

use super::bench::{Bench, PATIENCE};
use super::broker::{On, on_both};
use crate::hazards::roles::Roles;
use crate::load::{agent, post};
use crate::support::wait::becomes;

on_both!(
    a_connection_that_ends_is_said_in_the_clients_log,
    a_recreated_topic_is_said_in_the_clients_log,
);

/// A reader that has read a topic to its end.
async fn at_the_end(bench: &mut Bench) -> Reader {
    bench.rate(1).await;
    let (kafka, topic) = (bench.kafka.clone(), bench.settings.topics.ratings.clone());
    let reading = move || {
        let reader = Reader::connect(&kafka, "test").unwrap();
        reader.add(&topic, 0, 0).unwrap();
        wait(&reader, "the end", |event| matches!(event, Event::End(0)));
        reader
    };
    tokio::task::spawn_blocking(reading).await.unwrap()
}

/// Waits for an event.
fn wait(reader: &Reader, what: &str, mut is_it: impl FnMut(&Event<'_>) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !reader.poll(Duration::from_millis(10)).is_some_and(|event| is_it(&event)) {
        assert!(Instant::now() < end, "the client library does not say any more: {what}");
    }
}

async fn a_connection_that_ends_is_said_in_the_clients_log(on: On) {
    let mut bench = Bench::with_own_broker(on, 1).await;
    let reader = at_the_end(&mut bench).await;
    bench.broker.halt().await;
    let noticing = move || {
        wait(&reader, "Broker changed state UP -> DOWN", |event| {
            matches!(event, Event::Interrupted)
        });
    };
    tokio::task::spawn_blocking(noticing).await.unwrap();
}

async fn a_recreated_topic_is_said_in_the_clients_log(on: On) {
    let mut bench = Bench::new(on, 1).await;
    let reader = at_the_end(&mut bench).await;
    bench.make_ratings_anew(1).await;
    let noticing = move || {
        wait(
            &reader,
            "Topic … changed id from … to …",
            |event| matches!(event, Event::Lost(reason) if reason.contains("was deleted and made anew")),
        );
    };
    tokio::task::spawn_blocking(noticing).await.unwrap();
}

/// A producer learns it from its own client's log, and begins with another client.
#[test]
fn a_recreated_topic_is_said_in_the_log_of_a_producers_client() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = runtime.block_on(crate::support::broker::Broker::empty());
    let roles = Roles::set_up(&broker.kafka.brokers, 1, 1);
    let producer = roles.producer(&[]);
    // A client learns the id of a topic that it writes to.
    let rating = r#"{"battle":"One vs Two","voice1":"One","voice2":"Two","rating":2}"#;
    let (status, answer) = post(&agent(), &producer.url, rating).unwrap();
    assert_eq!(status, 201, "{answer}");
    let topics = erboh::queue::Topics::default();
    roles.administer(roles.admin.delete(&topics.ratings));
    becomes("the topic is gone", || roles.administer(roles.admin.partitions(&topics.ratings)) == 0);
    roles.administer(roles.admin.ensure_topics(&topics, 1, 1));
    becomes("it is said: Topic … changed id from … to …", || {
        producer.log().contains("the topic was made anew")
    });
    producer.stop();
    runtime.block_on(broker.close());
}
