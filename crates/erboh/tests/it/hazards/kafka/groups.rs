//! Groups: names that members keep, offsets that others change, and groups that do not fit.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::Value;

use super::super::roles::Role;
use super::super::stage::Stage;
use super::super::watch::{Keeper, Watch};
use super::{PACE, WRITERS};
use crate::load::Load;
use crate::support::wait::{becomes, eventually};

/// So long that a restart is quick, whatever else the machine does.
const LONG_SESSION: &str = "--kafka-property=session.timeout.ms=45000";

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn a_quick_restart_under_a_name_moves_no_partition() {
    let stage = Stage::enter();
    let roles = stage.roles(6);
    let producer = roles.producer(&[]);
    let start = |name: &str| roles.consumer(&[&format!("--instance-id={name}"), LONG_SESSION]);
    let mut consumers = vec![start("a"), start("b"), start("c")];
    let shares = roles.until_shared(&consumers.iter().collect::<Vec<_>>());
    let load = Load::new(&[&producer.url], PACE);
    load.during(WRITERS, || {
        load.wait_for(200);
        let last = consumers.pop().unwrap();
        let keepers: Vec<Keeper> = consumers.iter().map(Keeper::of).collect();
        last.stop();
        let again = start("c");
        becomes("its partitions", || again.counts() == shares[2]);
        again.kill();
        let again = start("c");
        becomes("its partitions", || again.counts() == shares[2]);

        // Two with one name: the newer one has it.
        let newer = start("c");
        becomes("its partitions", || newer.counts() == shares[2]);
        let problem = eventually("the older one says so", || problem(&again));
        assert!(problem.contains("instance"), "{problem}");
        becomes("it counts no more", || again.counts().is_empty());
        load.wait_for(100);
        keepers.into_iter().for_each(Keeper::end);
        consumers.extend([again, newer]);
    });
    // Also who was replaced shows what the others count.
    for consumer in &consumers {
        consumer.demand_exact(&load);
    }
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn offsets_that_somebody_resets_change_no_total() {
    let stage = Stage::enter();
    let roles = stage.roles(3);
    let producer = roles.producer(&[]);
    let load = Load::new(&[&producer.url], PACE);
    let consumer = roles.consumers(1).remove(0);
    (0..50).for_each(|_| drop(load.send()));
    let before = consumer.demand_exact(&load);
    consumer.stop();
    for to in ["--to-earliest", "--to-latest"] {
        // Some are counted before the reset, some come after it.
        (0..20).for_each(|_| drop(load.send()));
        let tool = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
        let reset = ["--reset-offsets", to, "--all-topics", "--execute", "--group", &roles.group];
        let said = stage.cluster().tool(tool, &reset).unwrap();
        assert!(said.contains("erboh-ratings"), "{said}");
        let consumer = roles.consumer(&[]);
        let watch = Watch::board(&consumer);
        (0..20).for_each(|_| drop(load.send()));
        let after = consumer.demand_exact(&load);
        assert!(after["counted"].as_u64() > before["counted"].as_u64());
        watch.end();
        consumer.stop();
    }
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn a_group_that_does_not_take_a_member_is_named_with_the_way_out() {
    let stage = Stage::enter();
    let roles = stage.roles(1);
    let hasty = roles.consumer(&["--kafka-property=session.timeout.ms=900"]);
    let problem_of_hasty = eventually("a problem", || problem(&hasty));
    for part in [&*roles.group, "session timeout", "--kafka-property session.timeout.ms"] {
        assert!(problem_of_hasty.contains(part), "{problem_of_hasty}");
    }
    drop(hasty);

    let other: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", stage.cluster().bootstrap())
        .set("group.id", &roles.group)
        .set("partition.assignment.strategy", "range")
        .create()
        .unwrap();
    other.subscribe(&["erboh-ratings"]).unwrap();
    becomes("the other program is in the group", || {
        let _ = other.poll(std::time::Duration::ZERO);
        other.assignment().unwrap().count() == 1
    });
    let consumer = roles.consumer(&[]);
    let problem_of_consumer = eventually("a problem", || problem(&consumer));
    for part in ["protocol", "cooperative-sticky", "--group"] {
        assert!(problem_of_consumer.contains(part), "{problem_of_consumer}");
    }
    // Once the other one has left, it counts.
    drop(other);
    roles.until_shared(&[&consumer]);
    becomes("no problem", || problem(&consumer).is_none());
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn partitions_that_are_added_under_load_are_counted_from_their_start() {
    let stage = Stage::enter();
    let roles = stage.roles(3);
    let producer = roles.producer(&[]);
    let consumers = roles.consumers(2);
    let watches: Vec<Watch> = consumers.iter().map(Watch::board).collect();
    let load = Load::new(&[&producer.url], PACE);
    load.during(WRITERS, || {
        load.wait_for(200);
        roles.administer(roles.admin.add_partitions("erboh-ratings", 7));
        roles.until_shared(&consumers.iter().collect::<Vec<_>>());
        becomes("ratings in all partitions", || load.acknowledged().offsets.len() == 7);
        load.wait_for(200);
    });
    for consumer in &consumers {
        consumer.demand_exact(&load);
    }
    assert_eq!(roles.administer(roles.admin.partitions("erboh-totals")), 7);
    watches.into_iter().for_each(Watch::end);
}

/// What a consumer says is wrong.
fn problem(consumer: &Role) -> Option<String> {
    match consumer.partitions()?["problem"].take() {
        Value::String(problem) => Some(problem),
        _ => None,
    }
}
