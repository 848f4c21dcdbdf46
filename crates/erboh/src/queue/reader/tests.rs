//! What a reader hears from its client, which is librdkafka itself: against no broker at all, or its own mock cluster.
//!
//! Some of it stands only in sentences of the debug log and in statistics (ADR 20). These tests provoke them, so that a
//! version of librdkafka that puts them otherwise fails here.

use std::time::Instant;

use rdkafka::mocking::MockCluster;

use super::*;

const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(10);

/// Polls until something has come.
fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "never: {what}");
    }
}

#[test]
fn a_reader_that_reads_nothing_takes_its_reports() {
    let reader = Reader::for_ranges(&KafkaSettings::new("localhost:1"), "test").unwrap();
    wait("a report is taken", || {
        reader.idle();
        std::thread::yield_now();
        reader.signals.take_progress()
    });
}

#[test]
fn why_no_broker_is_reachable_is_said_in_words_that_are_known() {
    let reader = Reader::connect(&KafkaSettings::new("127.0.0.1:1"), "test").unwrap();
    let reason = wait("a failed connection", || {
        let _ = reader.poll(POLL);
        Some(reader.signals.last_error()).filter(|reason| !reason.is_empty())
    });
    // What the explanations and the text that people read are cut out of.
    assert!(reason.contains("Connect to "), "{reason}");
    assert!(!reason.contains(" (after "), "{reason}");
}

/// A cluster of two brokers, and a reader at the end of a topic that the first of them leads.
fn mocked() -> (MockCluster<'static, rdkafka::producer::DefaultProducerContext>, Reader) {
    let cluster = MockCluster::new(2).unwrap();
    cluster.create_topic("ratings", 1, 2).unwrap();
    cluster.partition_leader("ratings", 0, Some(1)).unwrap();
    let reader = Reader::connect(&KafkaSettings::new(cluster.bootstrap_servers()), "test").unwrap();
    reader.add("ratings", 0, 0).unwrap();
    wait("the end of the topic", || {
        reader.poll(POLL).filter(|event| matches!(event, Event::End(0))).map(drop)
    });
    (cluster, reader)
}

#[test]
fn another_leader_is_said_in_the_clients_log() {
    let (cluster, reader) = mocked();
    let interrupted =
        || reader.poll(POLL).filter(|event| matches!(event, Event::Interrupted)).map(drop);
    // What came with the beginning.
    while interrupted().is_some() {}
    cluster.partition_leader("ratings", 0, Some(2)).unwrap();
    wait("ratings [0]: leader 1 … -> leader 2 …", interrupted);
}

#[test]
fn a_client_that_knows_brokers_says_so_in_its_statistics() {
    let (_cluster, reader) = mocked();
    let progress = wait("statistics", || {
        let event = reader.poll(POLL);
        assert!(!matches!(event, Some(Event::Lost(_))), "it is taken for stranded");
        reader.signals.take_progress().filter(|progress| progress.connected)
    });
    assert!(progress.topics["ratings"].contains_key(&0), "where its reading is");
    assert!(!reader.signals.is_stranded_after(2 * limits::STRANDED_AFTER));
}
