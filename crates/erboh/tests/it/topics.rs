//! Topics that others make, as on a cluster where they are declared: roles with `--manage-topics false` change none,
//! say what they wait for, and go on by themselves. And roles that make theirs.

use std::any::Any;
use std::collections::BTreeMap;
use std::time::Duration;

use erboh::queue::Topics;
use erboh_testbed::{Cluster, ClusterSettings};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::hazards::roles::{Role, Roles};
use crate::load::{Load, agent, post};
use crate::support::broker::Broker;
use crate::support::wait::{becomes, eventually};

const RATING: &str = r#"{"battle":"A vs B","voice1":"Big Bird","voice2":"Darth Vader","rating":2}"#;

/// What every role is told whose topics others make.
const UNMANAGED: &str = "--manage-topics=false";

/// Makes of each `fn name(stage: &Stage)` the tests `embedded::name` and `kafka::name`.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod embedded {
            $(
                #[test]
                fn $name() {
                    super::$name(&super::Stage::embedded());
                }
            )+
        }
        mod kafka {
            $(
                #[test]
                #[ignore = "needs Apache Kafka: run by cargo xtask test"]
                fn $name() {
                    super::$name(&super::Stage::kafka());
                }
            )+
        }
    };
}

on_both!(
    roles_wait_for_topics_that_others_make,
    added_partitions_are_counted_as_soon_as_there_is_a_place_for_their_totals,
    a_topic_that_others_make_anew_is_counted_anew_where_that_is_wanted,
    a_consumer_that_manages_topics_makes_one_again_that_was_deleted,
);

/// A broker without topics, and what starts roles on it.
struct Stage {
    roles: Roles,
    topics: Topics,
    bootstrap: String,
    /// The broker and what it runs on, which end with the test.
    _broker: Box<dyn Any>,
}

impl Stage {
    fn embedded() -> Self {
        let runtime = Runtime::new().unwrap();
        let broker = runtime.block_on(Broker::empty());
        let bootstrap = broker.kafka.brokers.clone();
        Self::on(bootstrap, Box::new((broker, runtime)))
    }

    fn kafka() -> Self {
        let cluster = Cluster::start(&ClusterSettings::default()).unwrap();
        Self::on(cluster.bootstrap(), Box::new(cluster))
    }

    fn on(bootstrap: String, broker: Box<dyn Any>) -> Self {
        let roles = Roles::on(&bootstrap, 2, 1);
        Self { roles, topics: Topics::default(), bootstrap, _broker: broker }
    }

    fn start(&self, role: &str, flags: &[&str]) -> Role {
        self.roles.start(role, &self.bootstrap, flags)
    }

    /// Makes a topic as an operator does, from what is declared.
    fn make(&self, topic: &str, partitions: i32) {
        let Topics { ratings, totals, .. } = &self.topics;
        let config = match topic {
            _ if topic == ratings => Topics::ratings_settings(),
            _ if topic == totals => Topics::totals_settings(),
            _ => Topics::dead_letters_settings(),
        };
        self.roles.administer(self.roles.admin.create(topic, partitions, 1, &config));
    }

    fn make_all(&self, partitions: i32) {
        let Topics { ratings, totals, dead_letters } = &self.topics;
        for topic in [ratings, totals, dead_letters] {
            self.make(topic, partitions);
        }
    }

    /// The topics that are there, with their partitions.
    fn there(&self) -> BTreeMap<&str, i32> {
        let Topics { ratings, totals, dead_letters } = &self.topics;
        let partitions = |topic| self.roles.administer(self.roles.admin.partitions(topic));
        let counted =
            [ratings, totals, dead_letters].map(|topic| (topic.as_str(), partitions(topic)));
        counted.into_iter().filter(|(_, partitions)| *partitions > 0).collect()
    }
}

#[track_caller]
fn until_said(what: &str, words: &str, say: impl Fn() -> Option<String>) {
    eventually(&format!("{what}: {words}"), || say().filter(|said| said.contains(words)).map(drop));
}

#[track_caller]
fn until_ready(role: &Role) {
    becomes("it is ready", || role.readiness().as_deref() == Some("ready\n"));
}

/// Sends some ratings and waits until the board shows them and no others.
#[track_caller]
fn until_counted(producer: &Role, consumer: &Role) {
    let load = Load::new(&[&producer.url], Duration::ZERO);
    load.during(2, || load.wait_for(50));
    // What was counted of a topic that is gone may be larger, and the board shows it until it is superseded.
    becomes("all are counted, and nothing else", || {
        consumer.totals().is_some_and(|board| board["counted"] == json!(load.count()))
    });
    consumer.demand_exact(&load);
}

/// The states of the partitions, in their order.
fn states(consumer: &Role) -> Vec<Value> {
    let view = consumer.partitions().unwrap_or_default();
    let partitions = view["partitions"].as_array().into_iter().flatten();
    partitions.map(|partition| partition["state"].clone()).collect()
}

fn roles_wait_for_topics_that_others_make(stage: &Stage) {
    let Topics { ratings, totals, dead_letters } = &stage.topics;
    let (producer, consumer) =
        (stage.start("producer", &[UNMANAGED]), stage.start("consumer", &[UNMANAGED]));
    let waits = |topic: &str| format!("topic {topic} does not exist on");
    until_said("the producer", &waits(ratings), || producer.readiness());
    until_said("the consumer", &waits(ratings), || consumer.readiness());
    until_said("the board", &waits(ratings), || consumer.problem());
    let (status, answer) = post(&agent(), &producer.url, RATING).unwrap();
    assert_eq!((status, &answer["code"]), (503, &json!("queue-unavailable")), "{answer}");
    assert!(answer.to_string().contains(&waits(ratings)), "{answer}");
    assert_eq!(stage.there(), BTreeMap::new(), "nobody has created anything");

    stage.make(ratings, 2);
    until_ready(&producer);
    assert_eq!(post(&agent(), &producer.url, RATING).unwrap().0, 201);
    until_said("the consumer", &waits(totals), || consumer.readiness());
    stage.make(totals, 2);
    // Counting needs none, as long as all that comes are ratings.
    until_said("the board", &waits(dead_letters), || consumer.problem());
    becomes("it counts", || consumer.totals().is_some_and(|board| board["counted"] == 1));
    stage.make(dead_letters, 2);
    until_ready(&consumer);
    assert_eq!(stage.there().len(), 3);
    producer.stop();
    consumer.stop();
}

fn added_partitions_are_counted_as_soon_as_there_is_a_place_for_their_totals(stage: &Stage) {
    let Topics { ratings, totals, .. } = &stage.topics;
    stage.make_all(2);
    let producer = stage.start("producer", &[UNMANAGED]);
    let running = stage.start("consumer", &[UNMANAGED, "--group=a"]);
    until_ready(&producer);
    until_ready(&running);
    stage.roles.administer(stage.roles.admin.add_partitions(ratings, 4));
    let lacks = format!("{ratings} has 4 partitions and {totals} only 2");
    until_said("the board of one that runs", &lacks, || running.problem());
    let started = stage.start("consumer", &[UNMANAGED, "--group=b"]);
    until_said("the board of one that starts", &lacks, || started.problem());
    for consumer in [&running, &started] {
        until_said("one that can show all there is", "ready\ntrouble: topic", || {
            consumer.readiness()
        });
        eventually("two are counted, two wait", || {
            (states(consumer) == ["owned", "owned", "waiting", "waiting"]).then_some(())
        });
    }
    let load = Load::new(&[&producer.url], Duration::ZERO);
    // Until all four have some.
    load.during(2, || becomes("all have some", || load.acknowledged().offsets.len() == 4));
    let old = |board: &Value| {
        let passed = |partition: &str| {
            let wanted = load.acknowledged().offsets[partition];
            board["position"][partition].as_u64().is_some_and(|position| position > wanted)
        };
        passed("0") && passed("1")
    };
    for consumer in [&running, &started] {
        becomes("the old ones are counted", || consumer.totals().is_some_and(|board| old(&board)));
    }
    assert_eq!(stage.there()[totals.as_str()], 2, "nobody has added any");
    stage.roles.administer(stage.roles.admin.add_partitions(totals, 4));
    for consumer in [running, started] {
        consumer.demand_exact(&load);
        until_ready(&consumer);
        assert_eq!(states(&consumer), ["owned"; 4]);
        consumer.stop();
    }
}

fn a_topic_that_others_make_anew_is_counted_anew_where_that_is_wanted(stage: &Stage) {
    let ratings = &stage.topics.ratings;
    stage.make_all(2);
    let producer = stage.start("producer", &[UNMANAGED]);
    let consumer = stage.start("consumer", &[UNMANAGED, "--on-log-change=restart"]);
    until_ready(&producer);
    until_ready(&consumer);
    until_counted(&producer, &consumer);
    stage.roles.administer(stage.roles.admin.delete(ratings));
    let waits = format!("ready\ntrouble: topic {ratings} does not exist on");
    until_said("the producer", &waits, || producer.readiness());
    until_said("the consumer", &waits, || consumer.readiness());
    assert!(!stage.there().contains_key(ratings.as_str()), "nobody has created it");
    stage.make(ratings, 2);
    until_ready(&producer);
    until_ready(&consumer);
    until_counted(&producer, &consumer);
}

fn a_consumer_that_manages_topics_makes_one_again_that_was_deleted(stage: &Stage) {
    let producer = stage.start("producer", &[]);
    let consumer = stage.start("consumer", &["--on-log-change=restart"]);
    until_ready(&producer);
    until_ready(&consumer);
    until_counted(&producer, &consumer);
    let ratings = stage.topics.ratings.as_str();
    stage.roles.administer(stage.roles.admin.delete(ratings));
    becomes("it is there again", || stage.there().get(ratings) == Some(&2));
    until_ready(&producer);
    until_ready(&consumer);
    until_counted(&producer, &consumer);
}
