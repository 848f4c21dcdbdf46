//! Logs that are not what was counted any more: made anew, out of a backup, with a gap.

use std::path::Path;

use erboh::queue::Topics;
use erboh_testbed::{Cluster, ClusterSettings};
use serde_json::{Value, json};

use super::super::recount::Recount;
use super::super::roles::{self, Role, Roles};
use super::super::stage::Stage;
use crate::support::wait::{becomes, eventually};

/// Writes ratings with ids of their own to one partition; all of them must be acknowledged.
pub(super) fn rate(cluster: &Cluster, partition: i32, count: usize) {
    roles::rate(&cluster.bootstrap(), partition, count);
}

/// Waits until the board has counted so much.
#[track_caller]
fn until_counted(role: &Role, count: u64) -> Value {
    eventually(&format!("{count} ratings are counted"), || {
        role.totals().filter(|totals| totals["counted"] == json!(count))
    })
}

/// Waits until all of these partitions halt, with this in the reason.
#[track_caller]
fn until_halted(role: &Role, partitions: &[i64], reason: &str) {
    eventually(&format!("{partitions:?} halt: {reason}"), || {
        let view = role.partitions()?;
        let halts = |partition: &i64| {
            view["partitions"].as_array()?.iter().find(|of| {
                of["partition"] == json!(partition)
                    && of["state"] == "halted"
                    && of["reason"].as_str().is_some_and(|text| text.contains(reason))
            })
        };
        partitions.iter().all(|partition| halts(partition).is_some()).then_some(())
    });
}

/// Deletes a topic and waits until it is gone.
fn delete(roles: &Roles, topic: &str) {
    roles.administer(roles.admin.delete(topic));
    becomes("the topic is gone", || roles.administer(roles.admin.partitions(topic)) == 0);
}

/// Makes the topics that are missing.
fn make(roles: &Roles, partitions: i32) {
    let topics = Topics::default();
    becomes("the topic is there", || {
        roles.administer(roles.admin.ensure_topics(&topics, partitions, 1));
        roles.administer(roles.admin.partitions(&topics.ratings)) == partitions
    });
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn a_topic_made_anew_under_a_running_consumer_halts_with_fewer_as_many_and_more_records() {
    let stage = Stage::enter();
    let roles = stage.roles(3);
    let consumer = roles.consumer(&[]);
    (0..3).for_each(|partition| rate(stage.cluster(), partition, 10));
    until_counted(&consumer, 30);
    delete(&roles, &Topics::default().ratings);
    until_halted(&consumer, &[0, 1, 2], "does not exist any more");
    make(&roles, 3);
    for (partition, count) in [(0, 4), (1, 10), (2, 15)] {
        rate(stage.cluster(), partition, count);
    }
    until_halted(&consumer, &[0, 1, 2], "truncated or made anew");
    until_counted(&consumer, 30);
    consumer.stop();
    // A person decides.
    let consumer = roles.consumer(&["--on-log-change=restart"]);
    Recount::demand(&roles, 3, &consumer);
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn a_topic_made_anew_is_counted_anew_without_a_restart_if_that_is_wanted() {
    let stage = Stage::enter();
    let roles = stage.roles(3);
    let consumer = roles.consumer(&["--on-log-change=restart"]);
    (0..3).for_each(|partition| rate(stage.cluster(), partition, 10));
    until_counted(&consumer, 30);
    // At once, so that nobody sees a moment without it; with one partition less.
    delete(&roles, &Topics::default().ratings);
    make(&roles, 2);
    rate(stage.cluster(), 0, 4);
    rate(stage.cluster(), 1, 25);
    let totals = Recount::demand(&roles, 2, &consumer);
    assert_eq!(totals["counted"], 29);
    // And again, with the partition that was gone.
    delete(&roles, &Topics::default().ratings);
    make(&roles, 3);
    (0..3).for_each(|partition| rate(stage.cluster(), partition, 7));
    Recount::demand(&roles, 3, &consumer);
    eventually("nothing is wrong", || {
        consumer.partitions().filter(|view| view.get("problem").is_none())
    });
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn totals_that_are_deleted_under_a_running_consumer_are_written_again() {
    let stage = Stage::enter();
    let roles = stage.roles(2);
    let topics = Topics::default();
    let consumer = roles.consumer(&[]);
    (0..2).for_each(|partition| rate(stage.cluster(), partition, 10));
    until_counted(&consumer, 20);
    // Nobody can count these again.
    roles.administer(roles.admin.delete_records(&topics.ratings, 0, 8));
    delete(&roles, &topics.totals);
    becomes("the snapshots are written again", || {
        let there = roles.administer(roles.admin.partitions(&topics.totals)) == 2;
        let newest = |partition| roles.snapshots(partition).pop();
        there && (0..2).all(|partition| newest(partition).is_some_and(|of| of.counted == 10))
    });
    consumer.kill();
    let consumer = roles.consumer(&[]);
    rate(stage.cluster(), 0, 5);
    until_counted(&consumer, 25);
}

/// A consumer is behind and standing still while records that it has not read are deleted.
fn with_a_gap(flags: &[&str], check: impl FnOnce(&Roles, &Role)) {
    let stage = Stage::enter();
    let roles = stage.roles(1);
    let consumer = roles.consumer(flags);
    rate(stage.cluster(), 0, 10);
    until_counted(&consumer, 10);
    consumer.pause();
    // Each by itself: what is on its way to the consumer already is only the first of them.
    (0..5).for_each(|_| rate(stage.cluster(), 0, 4));
    roles.administer(roles.admin.delete_records(&Topics::default().ratings, 0, 25));
    consumer.resume();
    check(&roles, &consumer);
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn records_deleted_under_a_consumer_that_is_behind_halt_it() {
    with_a_gap(&[], |_, consumer| until_halted(consumer, &[0], "--on-gap=record"));
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn a_gap_that_is_recorded_is_named_by_every_board() {
    with_a_gap(&["--on-gap=record"], |roles, consumer| {
        let other = roles.consumer(&["--on-gap=record"]);
        for role in [consumer, &other] {
            let totals = eventually("counting goes on behind the gap", || {
                role.totals().filter(|totals| totals["position"]["0"] == 30)
            });
            assert_eq!(totals["exact"], false, "{totals}");
            let counted = totals["counted"].as_i64().unwrap();
            // A board shows what it counts itself before that is written.
            let newest = eventually("the snapshot is written", || {
                roles.snapshots(0).pop().filter(|newest| newest.next_offset == 30)
            });
            assert_eq!(newest.gaps, [[counted - 5, 25]], "{totals}");
        }
    });
}

/// Copies a directory with all that is in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (source, target) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        let target = to.join(target);
        if source.is_dir() {
            copy(&source, &target);
        } else {
            std::fs::copy(&source, &target).unwrap();
        }
    }
}

/// Puts a broker's data back to an earlier copy.
fn put_back(cluster: &mut Cluster, backup: &Path) {
    cluster.stop(1).unwrap();
    std::fs::remove_dir_all(cluster.data_directory(1)).unwrap();
    copy(backup, cluster.data_directory(1));
    cluster.restart(1).unwrap();
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn a_log_out_of_an_old_backup_is_never_added_to_what_was_counted_since() {
    let mut cluster = Cluster::start(&ClusterSettings::default()).unwrap();
    let backup = tempfile::tempdir().unwrap();
    let roles = Roles::set_up(&cluster.bootstrap(), 1, 1);
    let consumer = roles.consumer(&[]);
    rate(&cluster, 0, 20);
    until_counted(&consumer, 20);
    eventually("the snapshot is written", || {
        roles.snapshots(0).pop().filter(|newest| newest.next_offset == 20)
    });
    cluster.stop(1).unwrap();
    copy(cluster.data_directory(1), backup.path());
    cluster.restart(1).unwrap();
    rate(&cluster, 0, 10);
    until_counted(&consumer, 30);

    // The log is shorter than what is on the board.
    put_back(&mut cluster, backup.path());
    Recount::demand(&roles, 1, &consumer);
    rate(&cluster, 0, 15);
    assert_eq!(Recount::demand(&roles, 1, &consumer)["counted"], 35);

    // The log is longer again before anybody looks.
    consumer.pause();
    put_back(&mut cluster, backup.path());
    rate(&cluster, 0, 40);
    consumer.resume();
    assert_eq!(Recount::demand(&roles, 1, &consumer)["counted"], 60);
    consumer.kill();
    let consumer = roles.consumer(&[]);
    assert_eq!(Recount::demand(&roles, 1, &consumer)["counted"], 60);
}
