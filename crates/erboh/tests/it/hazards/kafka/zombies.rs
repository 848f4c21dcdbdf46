//! Zombies: members that stood still while others took their partitions over, and wake up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::roles::{Role, Roles};
use super::super::stage::{LINKED, Stage};
use super::super::watch::Watch;
use super::{PACE, WRITERS};
use crate::load::Load;
use crate::support::wait::{becomes, eventually};

const PARTITIONS: i32 = 6;

/// Several times the interval between two snapshots of a partition, and less than a writer tries.
const HANDED_OVER: Duration = Duration::from_secs(1);

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn a_zombie_changes_nothing_and_joins_again() {
    let stage = Stage::enter();
    let roles = stage.roles(PARTITIONS);
    let producer = roles.producer(&[]);
    let consumers = roles.consumers(3);
    let [zombie, others @ ..] = &consumers[..] else { unreachable!("three were started") };
    let watches: Vec<Watch> = consumers.iter().map(Watch::board).collect();
    let load = Load::new(&[&producer.url], PACE);
    load.during(WRITERS, || {
        load.wait_for(200);
        zombie.pause();
        roles.until_shared(&others.iter().collect::<Vec<_>>());
        load.wait_for(200);
        zombie.resume();
        roles.until_shared(&consumers.iter().collect::<Vec<_>>());
        load.wait_for(200);
    });
    demand_all_exact(&roles, &consumers, &load);
    watches.into_iter().for_each(Watch::end);
}

/// The zombie has written snapshots that nobody has seen. They arrive when others are further.
#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn old_snapshots_of_a_zombie_come_late_and_change_nothing() {
    let stage = Stage::enter();
    let link = stage.cluster().link(LINKED, 1);
    let roles = stage.roles(PARTITIONS);
    let producer = roles.producer(&[]);
    let mut consumers = vec![roles.consumer_via(&stage.cluster().bootstrap_via(LINKED), &[])];
    roles.until_shared(&[&consumers[0]]);
    let load = Load::new(&[&producer.url], PACE);
    let watch = Watch::board(&consumers[0]);
    load.during(WRITERS, || {
        load.wait_for(200);
        link.cut();
        let since = Instant::now();
        let ahead = eventually("snapshots are on their way", || {
            let ahead: BTreeMap<i32, i64> = (0..PARTITIONS)
                .map(|partition| (partition, position(&consumers[0], partition)))
                .filter(|(partition, position)| *position > newest(&roles, *partition))
                .collect();
            // They are handed over some time after the board has shown them.
            (!ahead.is_empty() && since.elapsed() > HANDED_OVER).then_some(ahead)
        });
        consumers[0].pause();
        consumers.push(roles.consumer(&[]));
        roles.until_shared(&[&consumers[1]]);
        becomes("the other one is further", || {
            ahead.iter().all(|(partition, at)| newest(&roles, *partition) > *at)
        });
        link.heal();
        consumers[0].resume();
        roles.until_shared(&consumers.iter().collect::<Vec<_>>());
        load.wait_for(200);
    });
    demand_all_exact(&roles, &consumers, &load);
    watch.end();
    let came_late = (0..PARTITIONS).any(|partition| {
        let snapshots = roles.snapshots(partition);
        snapshots.windows(2).any(|two| two[1].next_offset < two[0].next_offset)
    });
    assert!(came_late, "no old snapshot stands behind a newer one");
}

/// Where the board of a consumer stands.
fn position(consumer: &Role, partition: i32) -> i64 {
    let totals = consumer.totals().unwrap_or_default();
    totals["position"][partition.to_string()].as_i64().unwrap_or(0)
}

/// Where the newest snapshot of a partition stands.
fn newest(roles: &Roles, partition: i32) -> i64 {
    roles.snapshots(partition).iter().map(|snapshot| snapshot.next_offset).max().unwrap_or(0)
}

/// Every board is exact, also that of somebody who knows only the snapshots; no two snapshots that
/// were ever written contradict each other; and the last of each partition is its newest.
#[track_caller]
fn demand_all_exact(roles: &Roles, consumers: &[Role], load: &Load) {
    for consumer in consumers {
        consumer.demand_exact(load);
    }
    for partition in 0..PARTITIONS {
        let last = eventually("the newest snapshot stands last", || {
            let snapshots = roles.snapshots(partition);
            for (place, one) in snapshots.iter().enumerate() {
                for other in &snapshots[place + 1..] {
                    assert!(!one.contradicts(other), "{one:#?} contradicts {other:#?}");
                }
            }
            let last = snapshots.last().map_or(0, |snapshot| snapshot.next_offset);
            let newest = snapshots.iter().map(|snapshot| snapshot.next_offset).max();
            (last == newest.unwrap_or(0)).then_some(last)
        });
        let wanted = load.acknowledged().offsets.get(&partition.to_string()).copied();
        assert!(wanted.is_none_or(|offset| last > offset as i64), "partition {partition}: {last}");
    }
    roles.consumer(&["--group=only-looks"]).demand_exact(load);
}
