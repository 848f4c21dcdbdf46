//! A producer process that simulates from its start: what its log says is what is on the topic.

use std::path::Path;

use super::stage::{Stage, until};
use crate::process::Process;

/// A producer on some ports, for the broker at this address.
fn producer(home: &Path, brokers: &str, flags: &[&str]) -> Process {
    let own = ["--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0", "--brokers", brokers];
    Process::start("producer", home, &[&own[..], flags].concat())
}

/// The number with this name that the log says when a simulation has ended.
fn at_the_end(log: &str, name: &str) -> Option<u64> {
    let line = log.lines().find(|line| line.contains("simulation ended"))?;
    let number = line.split(&format!(" {name}=")).nth(1)?.split(' ').next()?;
    number.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_waits_for_the_queue_and_stops_with_the_books_closed() {
    let mut stage = Stage::set().await;
    stage.stop_broker().await;
    let home = tempfile::tempdir().unwrap();
    let flags = ["--simulate", "400", "--log-filter", "info"];
    let mut pod = producer(home.path(), stage.address(), &flags);
    let log = async || Some(pod.errors()).filter(|log| log.contains("producer on http"));
    let log = until("it serves", log).await;
    assert!(!log.contains("simulation started"), "there is no queue yet: {log}");
    stage.start_broker().await;
    until("ratings arrive", async || (stage.values().await.len() > 50).then_some(())).await;

    pod.terminate();
    assert_eq!(pod.exit_code(), Some(0), "{}", pod.errors());
    let log = pod.errors();
    let number = |name| at_the_end(&log, name).unwrap_or_else(|| panic!("no {name} in {log}"));
    assert_eq!(number("sent"), number("acknowledged"), "{log}");
    assert_eq!(stage.values().await.len() as u64, number("acknowledged"), "{log}");
    assert!(log.contains("state=\"stopped\""), "{log}");
}

#[test]
fn a_rate_that_is_none_is_refused_with_what_was_expected() {
    let home = tempfile::tempdir().unwrap();
    let mut pod = producer(home.path(), "127.0.0.1:1", &["--simulate", "fast"]);
    assert_eq!(pod.exit_code(), Some(2));
    let text = pod.errors();
    assert!(text.contains("--simulate") && text.contains("from 0.1 to 200000"), "{text}");
}
