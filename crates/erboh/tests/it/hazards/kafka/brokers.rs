//! Brokers that die, stand still and come back. What is acknowledged stays, and is counted once.

use erboh::consumer::engine::{self, EngineSettings};
use erboh::queue::{KafkaSettings, Topics};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::recount::Recount;
use super::super::roles::Roles;
use super::super::trio::{BROKERS, Placement, Trio};
use super::super::watch::Watch;
use super::logs::rate;
use super::{PACE, WRITERS};
use crate::load::{Load, agent, post};
use crate::support::wait::{becomes, eventually};

/// The ratings' topic.
fn ratings() -> String {
    Topics::default().ratings
}

/// Who leads the first partition of the ratings.
fn leader(trio: &mut Trio) -> u32 {
    trio.until_placed(&ratings(), 0, |placement| placement.leader.is_some()).leader.unwrap()
}

/// Waits until every partition has all its copies again.
fn until_whole(trio: &mut Trio, partitions: i32) {
    for partition in 0..partitions {
        for topic in [ratings(), Topics::default().totals] {
            trio.until_placed(&topic, partition, |of| of.in_sync.len() == BROKERS.len());
        }
    }
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn a_leader_and_a_controller_that_are_killed_under_load_cost_nothing() {
    let mut trio = Trio::enter();
    let roles = trio.roles(3);
    let producer = roles.producer(&[]);
    let consumers = roles.consumers(2);
    let watches: Vec<Watch> = consumers.iter().map(Watch::board).collect();
    let load = Load::new(&[&producer.url], PACE);
    load.during(WRITERS, || {
        load.wait_for(200);
        let leads = leader(&mut trio);
        trio.cluster().kill(leads).unwrap();
        load.wait_for(200);
        trio.all_up();
        until_whole(&mut trio, 3);
        let controls = trio.cluster().active_controller().unwrap();
        trio.cluster().kill(controls).unwrap();
        load.wait_for(200);
    });
    for consumer in &consumers {
        consumer.demand_exact(&load);
    }
    watches.into_iter().for_each(Watch::end);
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn a_rolling_restart_and_a_leader_that_stands_still_cost_nothing() {
    let mut trio = Trio::enter();
    let roles = trio.roles(3);
    let producer = roles.producer(&[]);
    let consumer = roles.consumer(&[]);
    let watch = Watch::board(&consumer);
    let load = Load::new(&[&producer.url], PACE);
    load.during(WRITERS, || {
        for broker in BROKERS {
            trio.cluster().stop(broker).unwrap();
            load.wait_for(50);
            trio.cluster().restart(broker).unwrap();
            until_whole(&mut trio, 3);
        }
        // Longer than the others wait for it, so that somebody else leads when it goes on.
        let leads = leader(&mut trio);
        trio.cluster().pause(leads).unwrap();
        trio.until_placed(&ratings(), 0, |of| of.leader.is_some_and(|now| now != leads));
        load.wait_for(100);
        trio.cluster().resume(leads).unwrap();
        load.wait_for(100);
    });
    consumer.demand_exact(&load);
    watch.end();
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn a_topic_made_anew_with_other_leaders_is_found_by_those_who_knew_the_old_one() {
    let mut trio = Trio::enter();
    let roles = trio.roles(3);
    // They do not see the moment without a topic.
    let unaware = "--kafka-property=topic.metadata.refresh.interval.ms=300000";
    let producer = roles.producer(&[unaware]);
    let consumer = roles.consumer(&[unaware, "--on-log-change=restart"]);
    let load = Load::new(&[&producer.url], PACE);
    load.during(WRITERS, || load.wait_for(50));
    consumer.demand_exact(&load);
    // The leader epochs of the old topic grow; those of the new one begin again.
    for broker in [1, 2] {
        trio.cluster().stop(broker).unwrap();
        trio.cluster().restart(broker).unwrap();
        until_whole(&mut trio, 3);
    }
    load.during(WRITERS, || load.wait_for(50));
    consumer.demand_exact(&load);
    roles.administer(roles.admin.delete(&ratings()));
    becomes("the topic is there again", || {
        let topics = Topics::default();
        roles.administer(roles.admin.ensure_topics(&topics, 3, 3));
        roles.administer(roles.admin.partitions(&topics.ratings)) == 3
    });
    let load = Load::new(&[&producer.url], PACE);
    load.during(WRITERS, || load.wait_for(50));
    Recount::demand(&roles, 3, &consumer);
}

/// Sends a rating with this id until the answer is one of these; every answer before must be an
/// honest "no" or "unknown".
#[track_caller]
fn send_until(producer: &str, id: Uuid, wanted: &[u16]) -> (u16, Value) {
    let rating = json!({
        "id": id, "battle": "One vs Two", "voice1": "One", "voice2": "Two", "rating": 1,
    });
    eventually(&format!("an answer out of {wanted:?}"), || {
        let (status, answer) = post(&agent(), producer, &rating.to_string())?;
        assert!([201, 503, 504].contains(&status), "{status}: {answer}");
        wanted.contains(&status).then_some((status, answer))
    })
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn with_too_few_brokers_nothing_is_acknowledged_and_with_none_nothing_is_lost() {
    let mut trio = Trio::enter();
    let roles = trio.roles(2);
    let producer = roles.producer(&[]);
    let consumer = roles.consumer(&[]);
    let watch = Watch::board(&consumer);
    let load = Load::new(&[&producer.url], PACE);
    load.during(WRITERS, || load.wait_for(100));
    let before = consumer.demand_exact(&load);

    // One of three: less than must have what is acknowledged.
    let stays = leader(&mut trio);
    for broker in BROKERS.into_iter().filter(|broker| *broker != stays) {
        trio.cluster().kill(broker).unwrap();
    }
    let ids = [Uuid::now_v7(), Uuid::now_v7()];
    let (status, answer) = send_until(&producer.url, ids[0], &[503, 504]);
    let code = if status == 503 { "queue-unavailable" } else { "outcome-unknown" };
    assert_eq!(answer["code"], code, "{answer}");
    // None at all.
    trio.cluster().kill(stays).unwrap();
    let (_, answer) = send_until(&producer.url, ids[1], &[503]);
    assert_eq!(answer["code"], "queue-unavailable", "{answer}");
    eventually("the board says that no broker is there, and shows what it has", || {
        let view = consumer.partitions()?;
        let totals = consumer.totals()?;
        assert_eq!(totals["voices"], before["voices"], "{totals}");
        (view["connected"] == json!(false) && view["problem"].is_string()).then_some(())
    });

    trio.all_up();
    // Whatever became of them the first time, they count once.
    for id in ids {
        let (_, answer) = send_until(&producer.url, id, &[201]);
        assert_eq!(answer["id"], json!(id));
    }
    load.during(WRITERS, || load.wait_for(100));
    until_whole(&mut trio, 2);
    let totals = Recount::demand(&roles, 2, &consumer);
    assert_eq!(totals["counted"], json!(load.count() + ids.len()), "{totals}");
    assert_eq!(totals["exact"], true);
    watch.end();
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn counting_pauses_while_totals_cannot_be_written_and_goes_on_when_they_can() {
    let mut trio = Trio::enter();
    let roles = trio.roles(1);
    let totals = Topics::default().totals;
    let bytes = erboh::limits::SNAPSHOT_BYTES_MAX.to_string();
    let config = [
        ("cleanup.policy", "compact"),
        ("min.insync.replicas", "3"),
        ("max.message.bytes", &bytes),
    ];
    make_anew(&roles, &totals, 3, &config);
    // So small that thousands of ratings are far too many to be without a snapshot.
    let settings = EngineSettings {
        group: roles.group.clone(),
        snapshot_distance: 10,
        ..EngineSettings::default()
    };
    let kafka = KafkaSettings::new(trio.cluster().bootstrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let entered = runtime.enter();
    let engine = engine::start(kafka, settings, &CancellationToken::new()).unwrap();
    let board = engine.board();
    rate(trio.cluster(), 0, 10);
    becomes("all is counted", || board.borrow().board.counted() == 10);

    let leads = leader(&mut trio);
    let dies = BROKERS.into_iter().find(|broker| *broker != leads).unwrap();
    trio.cluster().kill(dies).unwrap();
    trio.until_placed(&ratings(), 0, |of| of.in_sync.len() == 2 && of.leader.is_some());
    rate(trio.cluster(), 0, 5_000);
    eventually("totals are shown and cannot be written", || {
        let view = board.borrow().clone();
        assert!(view.board.counted() < 5_010, "it counts on and on: {view:?}");
        let said = view.problem.as_ref().is_some_and(|it| it.contains("cannot be written"));
        (said && view.board.counted() > 10).then_some(())
    });
    trio.all_up();
    let mut last = String::new();
    eventually("all is counted, and the totals are written", || {
        let view = board.borrow().clone();
        let said = view.problem.as_ref().is_some_and(|it| it.contains("cannot be written"));
        let now = format!("counted {}, {:?}", view.board.counted(), view.problem);
        if now != last {
            eprintln!("{now}");
            last = now;
        }
        (view.board.counted() == 5_010 && !said).then_some(())
    });
    assert!(board.borrow().board.exact());
    drop(entered);
    runtime.block_on(engine.stop());
}

/// Ratings with two copies, one of which is enough to acknowledge, and where a stale copy may lead
/// in the end: what nobody should do. Answers who leads and who follows.
fn set_up_unclean(trio: &mut Trio, roles: &Roles) -> (u32, u32) {
    let ratings = ratings();
    let config = [("min.insync.replicas", "1"), ("unclean.leader.election.enable", "true")];
    make_anew(roles, &ratings, 2, &config);
    let of = trio.until_placed(&ratings, 0, |of| of.leader.is_some() && of.in_sync.len() == 2);
    let leads = of.leader.unwrap();
    (leads, of.replicas.into_iter().find(|broker| *broker != leads).unwrap())
}

/// Makes a topic of one partition anew.
fn make_anew(roles: &Roles, topic: &str, copies: i32, config: &[(&str, &str)]) {
    roles.administer(roles.admin.delete(topic));
    let have = || roles.administer(roles.admin.partitions(topic));
    becomes("the topic is gone", || have() == 0);
    let config: Vec<(&str, String)> =
        config.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    becomes("the topic is there", || {
        roles.administer(roles.admin.create(topic, 1, copies, &config));
        have() == 1
    });
}

/// The follower misses what `act` does; then it leads, because the leader is gone.
fn elect_stale(trio: &mut Trio, (leads, follows): (u32, u32), act: impl FnOnce()) {
    let alone = |of: &Placement| of.leader == Some(leads) && of.in_sync == [leads];
    trio.cluster().kill(follows).unwrap();
    trio.until_placed(&ratings(), 0, alone);
    act();
    trio.cluster().kill(leads).unwrap();
    trio.cluster().restart(follows).unwrap();
    trio.until_placed(&ratings(), 0, |of| of.leader == Some(follows));
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn ratings_that_an_unclean_election_takes_back_leave_the_board() {
    let mut trio = Trio::enter();
    let roles = trio.roles(1);
    let (leads, follows) = set_up_unclean(&mut trio, &roles);
    let producer = roles.producer(&[]);
    let consumer = roles.consumer(&[]);
    let load = Load::new(&[&producer.url], PACE);
    load.during(WRITERS, || load.wait_for(50));
    let position = consumer.demand_exact(&load)["position"]["0"].clone();
    // Without a snapshot from before the election, a truncated log and a topic that was deleted and
    // created again look the same, and the partition halts.
    becomes("the totals of these ratings are written", || {
        let mut written = false;
        roles.read(&Topics::default().totals, 0, |record| {
            let snapshot: Value = serde_json::from_slice(record.value().unwrap()).unwrap();
            written |= snapshot["next_offset"] == position;
        });
        written
    });

    // The log is shorter than what was counted.
    elect_stale(&mut trio, (leads, follows), || {
        load.during(WRITERS, || load.wait_for(50));
        consumer.demand_exact(&load);
    });
    let lost = load.count() as u64;
    let shorter = Recount::of(&roles, 1);
    assert!(shorter.counted < lost, "the election took nothing: {shorter:?}");
    Recount::demand(&roles, 1, &consumer);
    trio.all_up();

    // The log is longer again, with other ratings, when the consumer wakes up.
    let both = |of: &Placement| of.in_sync.len() == 2 && of.leader.is_some();
    let leads = trio.until_placed(&ratings(), 0, both).leader.unwrap();
    let follows = if leads == follows { other(&mut trio, leads) } else { follows };
    let position = std::cell::Cell::new(0);
    elect_stale(&mut trio, (leads, follows), || {
        load.during(WRITERS, || load.wait_for(50));
        let at = || Recount::of(&roles, 1).position["0"];
        eventually("all is counted", || {
            let totals = consumer.totals()?;
            (totals["position"]["0"] == json!(at())).then_some(())
        });
        position.set(at());
        consumer.pause();
    });
    load.during(WRITERS, || {
        becomes("the log is longer again", || {
            Recount::of(&roles, 1).position["0"] > position.get() + 20
        });
    });
    consumer.resume();
    let totals = Recount::demand(&roles, 1, &consumer);
    // Who starts now finds the same.
    consumer.kill();
    let consumer = roles.consumer(&[]);
    assert_eq!(Recount::demand(&roles, 1, &consumer)["voices"], totals["voices"]);
}

/// The other broker that has the ratings.
fn other(trio: &mut Trio, broker: u32) -> u32 {
    let replicas = trio.until_placed(&ratings(), 0, |_| true).replicas;
    replicas.into_iter().find(|replica| *replica != broker).unwrap()
}
