//! The audit on a log as a real cluster makes it: with markers of transactions, records that were
//! aborted, second copies, and several who counted it.

use std::process::Output;

use erboh::queue::Topics;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::Value;
use uuid::Uuid;

use super::super::stage::Stage;
use super::{PACE, WRITERS};
use crate::WAIT_MAX;
use crate::load::Load;
use crate::process::erboh;

/// Writes what nobody asked for: a rating twice and what is none, in transactions that are
/// committed and aborted in turn.
fn write_transactions(bootstrap: &str) {
    let topic = Topics::default().ratings;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("transactional.id", Uuid::now_v7().to_string())
        .create()
        .unwrap();
    producer.init_transactions(WAIT_MAX).unwrap();
    for commit in [true, false, true, false] {
        producer.begin_transaction().unwrap();
        let id = Uuid::now_v7().to_string();
        let rating = format!(
            r#"{{"id":"{id}","battle":"b","voice1":"Big Bird","voice2":"Macho Man","rating":2}}"#
        );
        for value in [&*rating, &*rating, "nonsense"] {
            producer.send(BaseRecord::to(&topic).key(&id).payload(value)).unwrap();
        }
        producer.flush(WAIT_MAX).unwrap();
        if commit {
            producer.commit_transaction(WAIT_MAX).unwrap();
        } else {
            producer.abort_transaction(WAIT_MAX).unwrap();
        }
    }
}

fn audit(bootstrap: &str, flags: &[&str]) -> Output {
    erboh([&["audit", "--json", "--brokers", bootstrap], flags].concat())
}

#[track_caller]
fn demand_exact(output: &Output) -> Value {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(output.status.code(), Some(0), "{report:#}\n{output:?}");
    report
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn boards_and_snapshots_are_exact_while_the_log_grows_and_after_kill_9() {
    let stage = Stage::enter();
    let bootstrap = stage.cluster().bootstrap();
    let roles = stage.roles(3);
    let producer = roles.producer(&[]);
    let mut consumers = roles.consumers(2);
    let boards = format!("{},{}", consumers[0].url, consumers[1].url);
    let load = Load::new(&[&producer.url], PACE);
    load.during(WRITERS, || {
        load.wait_for(200);
        write_transactions(&bootstrap);
        demand_exact(&audit(&bootstrap, &["--board", &boards]));
        consumers.remove(0).kill();
        roles.until_shared(&[&consumers[0]]);
        load.wait_for(200);
    });
    // The last offsets of some partitions are markers.
    write_transactions(&bootstrap);
    let report = demand_exact(&audit(&bootstrap, &["--board", &consumers[0].url]));
    let sum = |of: &str| -> u64 {
        let partitions = report["partitions"].as_array().unwrap();
        partitions.iter().map(|partition| partition[of].as_u64().unwrap()).sum()
    };
    // One of each pair in a committed transaction, and what the load had to send again.
    let copies = sum("duplicates") - 4;
    assert!(copies <= load.acknowledged().retries as u64, "{report:#}");
    assert_eq!(sum("dead_letters"), 4, "{report:#}");
    assert_eq!(sum("ratings"), load.count() as u64 + 4, "{report:#}");
    // Without anybody who counts, the snapshots alone are exact too.
    consumers.remove(0).stop();
    demand_exact(&audit(&bootstrap, &["--no-board"]));
}
