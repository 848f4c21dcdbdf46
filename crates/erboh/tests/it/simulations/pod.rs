//! A producer process that simulates from its start: what its log says is what is on the topic.

use std::path::Path;

use erboh::queue::Topics;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use serde_json::Value;

use super::stage::{SIMULATIONS, Stage};
use crate::load::agent;
use crate::process::Process;
use crate::support::wait::until;

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

/// Where the simulations of a producer are, as soon as it serves.
async fn serving(pod: &Process) -> String {
    let page = async || {
        let log = pod.errors();
        Some(log.split("producer on ").nth(1)?.split("/,").next()?.to_owned())
    };
    format!("{}{SIMULATIONS}", until("it serves", page).await)
}

/// All simulations, the newest first.
fn list(simulations: &str) -> Value {
    let text = agent().get(simulations).call().unwrap().body_mut().read_to_string().unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["simulations"].take()
}

/// The id of the first simulation, as soon as there is one.
async fn first(simulations: &str) -> String {
    let id = async || list(simulations)[0]["id"].as_str().map(str::to_owned);
    until("it simulates", id).await
}

/// From now on the topic takes no rating.
async fn refuse_ratings(brokers: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let topic = Topics::default().ratings;
    let config = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("max.message.bytes", "80");
    let done = admin.alter_configs([&config], &AdminOptions::new()).await.unwrap();
    assert!(done.iter().all(Result::is_ok), "{done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_waits_for_the_queue_and_stops_with_the_books_closed() {
    let mut stage = Stage::set().await;
    stage.broker.halt().await;
    let home = tempfile::tempdir().unwrap();
    let flags = ["--simulate", "400", "--log-filter", "info"];
    let mut pod = producer(home.path(), &stage.broker.kafka.brokers, &flags);
    let log = async || Some(pod.errors()).filter(|log| log.contains("producer on http"));
    let log = until("it serves", log).await;
    assert!(!log.contains("simulation started"), "there is no queue yet: {log}");
    stage.broker.serve().await;
    until("ratings arrive", async || (stage.broker.values().await.len() > 50).then_some(())).await;

    pod.terminate();
    assert_eq!(pod.exit_code(), Some(0), "{}", pod.errors());
    let log = pod.errors();
    let number = |name| at_the_end(&log, name).unwrap_or_else(|| panic!("no {name} in {log}"));
    assert_eq!(number("sent"), number("acknowledged"), "{log}");
    assert_eq!(stage.broker.values().await.len() as u64, number("acknowledged"), "{log}");
    assert!(log.contains("state=\"stopped\""), "{log}");
    assert!(!log.contains("no other simulation"), "nobody but the process has stopped it: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stopped_stays_stopped() {
    let stage = Stage::set().await;
    let home = tempfile::tempdir().unwrap();
    let flags = ["--simulate", "50", "--log-filter", "info"];
    let mut pod = producer(home.path(), &stage.broker.kafka.brokers, &flags);
    let simulations = serving(&pod).await;
    let id = first(&simulations).await;
    let stopped = agent().delete(format!("{simulations}/{id}")).call().unwrap();
    assert_eq!(stopped.status(), 200);
    let said = async || Some(pod.errors()).filter(|log| log.contains("no other simulation"));
    let log = until("it says that it starts no other", said).await;
    assert_eq!(log.matches("simulation started").count(), 1, "{log}");
    let listed = list(&simulations);
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["state"]), (1, &"stopped".into()));
    pod.terminate();
    assert_eq!(pod.exit_code(), Some(0), "{}", pod.errors());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_failed_starts_again_at_its_last_rate() {
    let stage = Stage::set().await;
    let home = tempfile::tempdir().unwrap();
    let flags = ["--simulate", "50", "--log-filter", "info"];
    let pod = producer(home.path(), &stage.broker.kafka.brokers, &flags);
    let simulations = serving(&pod).await;
    let id = first(&simulations).await;
    let change = agent().patch(format!("{simulations}/{id}"));
    let changed = change.header("content-type", "application/json").send(r#"{"rate":60}"#);
    assert_eq!(changed.unwrap().status(), 200);
    refuse_ratings(&stage.broker.kafka.brokers).await;
    let next = async || Some(list(&simulations)).filter(|listed| listed[0]["id"] != *id);
    let listed = until("another one starts", next).await;
    assert_eq!((&listed[1]["id"], &listed[1]["state"]), (&id.into(), &"failed".into()));
    assert_eq!(listed[0]["rate"], 60, "{listed}");
}

#[test]
fn a_rate_that_is_none_is_refused_with_what_was_expected() {
    let home = tempfile::tempdir().unwrap();
    let mut pod = producer(home.path(), "127.0.0.1:1", &["--simulate", "fast"]);
    assert_eq!(pod.exit_code(), Some(2));
    let text = pod.errors();
    assert!(text.contains("--simulate") && text.contains("from 0.1 to 200000"), "{text}");
}
