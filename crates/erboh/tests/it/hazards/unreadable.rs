//! Unreadable: a batch is damaged in the log while consumers count it, as real processes on a broker meet it.
//!
//! ```text
//!   partition 0:  counted │ batch │ damaged batch │ batch      halts there, with offset and reason
//!   partition 1:  counted │ batch │ batch         │ batch      is counted on, and never restored
//! ```

use std::path::PathBuf;

use erboh::queue::Topics;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::roles::{Role, Roles};
use crate::support::broker::Broker;
use crate::support::segment::{Batch, Damage};
use crate::support::wait::eventually;

/// Ratings of one batch, and batches that come while the consumer stands still.
const BATCH: usize = 10;
const BATCHES: usize = 5;

/// It keeps its partitions while it stands still.
const PATIENT: &str = "--kafka-property=session.timeout.ms=30000";

/// Partition 1 must be counted in every answer.
fn undisturbed(view: &Value) -> &Value {
    assert_eq!(view["partitions"][1]["state"], "owned", "partition 1 was disturbed: {view}");
    view
}

/// Waits until partition 0 is in that state, with that offset and a way out in the reason.
fn until_state(consumer: &Role, state: &str, offset: i64) {
    eventually(&format!("partition 0 is {state}"), || {
        let view = consumer.partitions()?;
        let first = &undisturbed(&view)["partitions"][0];
        if first["state"] != state {
            return None;
        }
        let reason = first["reason"].as_str().unwrap_or_default();
        let named = [format!("from offset {offset} cannot be read"), "intact copy".to_owned()];
        assert!(named.iter().all(|part| reason.contains(part)), "{view}");
        Some(())
    });
}

/// Damages a batch under a consumer that has not read it yet. `directory` is where a partition's log is.
pub(super) fn one_partition_halts(
    roles: &Roles,
    directory: impl Fn(&str) -> PathBuf,
    damage: Damage,
) {
    let consumer = roles.consumer(&[PATIENT]);
    (0..2).for_each(|partition| roles.rate(partition, BATCH));
    let counted = |count: usize| {
        eventually(&format!("{count} ratings are counted"), || {
            undisturbed(&consumer.partitions()?);
            consumer.totals().filter(|totals| totals["counted"] == json!(count))
        })
    };
    eventually("the partitions are owned", || (consumer.counts().len() == 2).then_some(()));
    counted(2 * BATCH);
    consumer.pause();
    for _ in 0..BATCHES {
        (0..2).for_each(|partition| roles.rate(partition, BATCH));
    }
    // The first of them may be on its way to the consumer already.
    let place = (1 + BATCHES / 2) * BATCH + BATCH / 2;
    let batch = Batch::find(&directory(&format!("{}-0", Topics::default().ratings)), place as i64);
    let place = batch.first as usize;
    batch.damage(damage);
    consumer.resume();

    until_state(&consumer, "halted", batch.first);
    roles.rate(1, BATCH);
    let all = (2 * (1 + BATCHES) + 1) * BATCH;
    let unread = (1 + BATCHES) * BATCH - place;
    let totals = counted(all - unread);
    assert_eq!((&totals["exact"], &totals["position"]["0"]), (&json!(false), &json!(place)));
    let readiness = consumer.readiness().unwrap();
    let expected =
        format!("ready\ntrouble: partition 0 is halted: the records from offset {place} ");
    assert!(readiness.starts_with(&expected), "{readiness}");
    let page = consumer.page().unwrap();
    for text in ["Partition 0 is halted", &format!("offset {place}"), r#"data-total="exact">no"#] {
        assert!(page.contains(text), "{text} is missing in {page}");
    }
    assert!(!page.contains("caught up"), "{page}");

    batch.put_back();
    assert_eq!(counted(all)["exact"], true);
    eventually("nothing is wrong", || consumer.readiness().filter(|text| text == "ready\n"));
    consumer.stop();
}

/// The same on the embedded broker.
fn on_the_embedded_broker(damage: Damage) {
    let runtime = Runtime::new().unwrap();
    let broker = runtime.block_on(Broker::empty());
    let roles = Roles::set_up(&broker.kafka.brokers, 2, 1);
    one_partition_halts(&roles, |name| broker.data().join("topics").join(name), damage);
    runtime.block_on(broker.close());
}

#[test]
fn a_wrong_checksum_halts_one_partition() {
    on_the_embedded_broker(Damage::Bit);
}

#[test]
fn junk_halts_one_partition() {
    on_the_embedded_broker(Damage::Junk);
}
