//! Members that die, stop, come and go. Whoever is left counts, and every board stays exact.

use super::super::roles::Role;
use super::super::stage::Stage;
use super::super::watch::Watch;
use super::{PACE, WRITERS};
use crate::load::{Load, agent, get};

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn kill_9_of_owners_under_load_costs_nothing() {
    let stage = Stage::enter();
    let roles = stage.roles(6);
    let producers = [roles.producer(&[]), roles.producer(&[])];
    let mut consumers = roles.consumers(3);
    let watches: Vec<Watch> = consumers.iter().map(Watch::board).collect();
    let load = Load::new(&[&producers[0].url, &producers[1].url], PACE);
    let [first, _second] = producers;
    load.during(WRITERS, || {
        load.wait_for(200);
        consumers.remove(0).kill();
        // Whoever waited for this producer asks the other.
        first.kill();
        load.wait_for(200);
        roles.until_shared(&consumers.iter().collect::<Vec<_>>());
        load.wait_for(200);
        consumers.remove(0).kill();
        consumers.push(roles.consumer(&[]));
        roles.until_shared(&consumers.iter().collect::<Vec<_>>());
        load.wait_for(200);
    });
    for consumer in &consumers {
        consumer.demand_exact(&load);
    }
    watches.into_iter().for_each(Watch::end);
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn replicas_come_and_go_under_load_and_each_shows_what_was_just_written() {
    let stage = Stage::enter();
    let roles = stage.roles(6);
    let producer = roles.producer(&[]);
    let mut consumers = roles.consumers(1);
    let mut watches = vec![Watch::board(&consumers[0])];
    let load = Load::new(&[&producer.url], PACE);
    let look = |consumers: &[Role]| {
        roles.until_shared(&consumers.iter().collect::<Vec<_>>());
        for consumer in consumers {
            demand_own_write(&load, consumer);
        }
    };
    load.during(WRITERS, || {
        look(&consumers);
        for _ in 0..2 {
            consumers.push(roles.consumer(&[]));
            watches.push(Watch::board(consumers.last().unwrap()));
            look(&consumers);
        }
        // A rolling update: the oldest goes first.
        for _ in 0..2 {
            consumers.remove(0).stop();
            look(&consumers);
        }
    });
    let totals = consumers[0].demand_exact(&load);
    assert_eq!(totals["duplicates"], 0, "nothing was sent twice: {totals}");
    watches.into_iter().for_each(Watch::end);
}

/// What was just acknowledged is in the answer of this replica, whoever counts the partition.
#[track_caller]
fn demand_own_write(load: &Load, consumer: &Role) {
    for _ in 0..10 {
        let (partition, offset) = load.send();
        let after = format!("api/v1/totals?after={partition}:{offset}&wait_ms=30000");
        let totals = get(&agent(), &format!("{}{after}", consumer.url));
        let totals = totals.unwrap_or_else(|| panic!("{partition}:{offset} is never counted"));
        assert!(totals["position"][partition].as_u64().unwrap() > offset, "{totals}");
    }
}
