//! What users meet on a cluster that is closed to strangers: every refusal with its cause and its
//! setting, and the rights that suffice, as the documentation lists them.

use std::fs;
use std::sync::OnceLock;

use erboh::queue::{KafkaSettings, OutRecord, Topics, Writer};
use erboh_testbed::{Cluster, ClusterSettings, Door};
use serde_json::Value;

use super::{certificate, erboh, file, login};
use crate::doctor::kafka::Tools;
use crate::hazards::roles::{Role, Roles};
use crate::load::{Load, agent, get, post};
use crate::support::wait::{becomes, eventually};

const DOCUMENTATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/kafka-security.md");

/// Users who lack one right each.
const WITHOUT: [&str; 4] = ["without-group", "without-read", "without-totals", "without-dead"];

/// One cluster for all of these tests; it ends with the process.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let users = ["erboh-producer", "erboh-consumer"].iter().chain(&WITHOUT);
        let settings = ClusterSettings {
            tls: true,
            sasl: true,
            users: users.map(|user| (*user).to_owned()).collect(),
            doors: vec![Door::Plain, Door::Certificate, Door::Expired, Door::OtherHost],
            ..ClusterSettings::default()
        };
        Cluster::start(&settings).unwrap()
    })
}

/// A command that must fail, and say all of this.
#[track_caller]
fn refused(command: &str, brokers: &str, flags: &[String], words: &[&str]) {
    let said = erboh(command, brokers, flags);
    assert_ne!(said.exit_code, 0, "{flags:?}: {}", said.text);
    for word in words {
        assert!(said.text.contains(word), "{flags:?}: `{word}` is not in: {}", said.text);
    }
    for vague in ["time limit", "All broker", "transport failure", "Timed out"] {
        assert!(!said.text.contains(vague), "{flags:?}: {}", said.text);
    }
}

/// A command, the brokers that it is to use, its other flags, and what it must say.
type Case = (&'static str, String, Vec<String>, Vec<&'static str>);

/// By twos: each waits a second for librdkafka before it looks for itself, and many at once would
/// wait for each other, and for the cluster, until their time limits.
fn all_refused(cases: &[Case]) {
    for two in cases.chunks(2) {
        std::thread::scope(|scope| {
            for (command, brokers, flags, words) in two {
                scope.spawn(move || refused(command, brokers, flags, words));
            }
        });
    }
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn what_keeps_a_client_out_is_named_with_its_setting() {
    let cluster = cluster();
    let clients = cluster.bootstrap();
    let ca = || vec![file(cluster, "--kafka-ca-file", "ca.pem")];
    let other_ca = || vec![file(cluster, "--kafka-ca-file", "other-ca.pem")];
    let wrong = || login(cluster, "erboh", "store.password");
    let right = || login(cluster, "erboh", "sasl.password");
    let plain = || [wrong(), vec!["--kafka-sasl-mechanism=plain".to_owned()]].concat();
    let no_tls = || right()[1..].to_vec();
    let at = |door| cluster.bootstrap_at(door);
    let password = ["refuses the login", "--kafka-username", "--kafka-password-file"];
    all_refused(&[
        ("smoke", clients.clone(), wrong(), password.into()),
        ("audit", clients.clone(), wrong(), password.into()),
        ("doctor", clients.clone(), wrong(), password.into()),
        ("smoke", clients.clone(), login(cluster, "nobody", "sasl.password"), password.into()),
        ("smoke", clients.clone(), plain(), vec!["offers SASL by SCRAM-SHA-512, we use PLAIN"]),
        (
            "smoke",
            clients.clone(),
            other_ca(),
            vec!["none of the authorities in", "--kafka-ca-file"],
        ),
        (
            "smoke",
            clients.clone(),
            vec!["--kafka-tls".into()],
            vec![
                "CN=server issued by CN=erboh testbed ca",
                "this system trusts",
                "--kafka-ca-file",
            ],
        ),
        ("smoke", at(Door::Expired), ca(), vec!["CN=past that expired on", "renew the broker's"]),
        ("doctor", at(Door::Expired), ca(), vec!["CN=past that expired on", "renew the broker's"]),
        ("smoke", at(Door::OtherHost), ca(), vec!["for kafka.example, and not for 127.0.0.1"]),
        ("smoke", clients.clone(), vec![], vec!["speaks TLS, we speak plaintext", "--kafka-tls"]),
        ("smoke", clients.clone(), no_tls(), vec!["speaks TLS, we speak sasl_plaintext"]),
        ("smoke", at(Door::Plain), ca(), vec!["speaks without TLS, we speak ssl"]),
        ("audit", at(Door::Plain), ca(), vec!["speaks without TLS, we speak ssl"]),
        ("smoke", at(Door::Plain), no_tls(), vec!["wants no SASL", "--kafka-username"]),
        ("smoke", clients, ca(), vec!["wants SASL (SCRAM-SHA-512)", "--kafka-username NAME"]),
    ]);
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn a_certificate_that_keeps_a_client_out_is_named_with_its_setting() {
    let cluster = cluster();
    let brokers = || cluster.bootstrap_at(Door::Certificate);
    let ca = || vec![file(cluster, "--kafka-ca-file", "ca.pem")];
    let past = vec![
        file(cluster, "--kafka-property=ssl.certificate.location", "past.pem"),
        file(cluster, "--kafka-property=ssl.key.location", "past.key"),
    ];
    all_refused(&[
        ("smoke", brokers(), ca(), vec!["we show none", "--kafka-cert-file PATH"]),
        (
            "smoke",
            brokers(),
            certificate(cluster, "stranger"),
            vec![
                "refuses the client certificate",
                "CN=erboh testbed other-ca",
                "--kafka-cert-file",
            ],
        ),
        // Ours is looked at before the broker sees it; one that ends later is named as well.
        (
            "smoke",
            brokers(),
            certificate(cluster, "past"),
            vec!["--kafka-cert-file", "the certificate expired on"],
        ),
        (
            "smoke",
            brokers(),
            [ca(), past].concat(),
            vec![
                "refuses the client certificate",
                "of CN=past: the certificate expired on",
                "restart",
            ],
        ),
    ]);
}

/// Waits until a role says this about what keeps it from its work.
#[track_caller]
fn until_said(what: &str, words: &str, say: impl Fn() -> Option<String>) {
    eventually(&format!("{what}: {words}"), || say().filter(|said| said.contains(words)).map(drop));
}

fn grant_all(cluster: &Cluster, user: &str, rights: &[(&str, &[&str])]) {
    for (topic, operations) in rights {
        for operation in *operations {
            cluster.allow_topic(user, operation, topic).unwrap();
        }
    }
}

/// What the documentation tells an administrator to type, one block after the other.
fn documented_grants() -> Vec<String> {
    let text = fs::read_to_string(DOCUMENTATION).unwrap();
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.contains("kafka-acls.sh")).map(str::to_owned).collect()
}

const RATING: &str = r#"{"battle":"A vs B","voice1":"Big Bird","voice2":"Darth Vader","rating":2}"#;

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn the_documented_rights_suffice_and_each_missing_one_is_named() {
    let cluster = cluster();
    let clients = cluster.bootstrap();
    let topics = Topics::default();
    let ratings = topics.ratings.as_str();
    let roles = Roles::set_up(&cluster.bootstrap_at(Door::Plain), 2, 1);
    let manage = |manage: &str, role: &str, user: &str, more: &[&str]| {
        let flags = login(cluster, user, &format!("{user}.password"));
        let flags = flags.iter().map(String::as_str).chain(more.iter().copied());
        roles.start(role, &clients, &flags.chain([manage]).collect::<Vec<_>>())
    };
    let start =
        |role: &str, user: &str, more: &[&str]| manage("--manage-topics=false", role, user, more);

    // Without a right, the producer says which, and takes nothing.
    let producer = start("producer", "erboh-producer", &[]);
    let lacks =
        |right: &str| format!("user erboh-producer lacks the right {right} on topic {ratings}");
    until_said("the producer", &lacks("Describe"), || producer.readiness());
    let (status, answer) = post(&agent(), &producer.url, RATING).unwrap();
    assert_eq!((status, &answer["code"]), (503, &Value::from("queue-unavailable")), "{answer}");
    assert!(answer.to_string().contains(&lacks("Describe")), "{answer}");
    cluster.allow_topic("erboh-producer", "Describe", ratings).unwrap();
    until_said("the producer", &lacks("Write"), || producer.readiness());
    let (status, answer) = post(&agent(), &producer.url, RATING).unwrap();
    assert!(status == 503 && answer.to_string().contains(&lacks("Write")), "{status} {answer}");

    // What the documentation says, typed by somebody who may.
    let tools = Tools::new();
    fs::copy(cluster.client_properties(), tools.path().join("admin.properties")).unwrap();
    let grants = documented_grants();
    assert!(grants.len() >= 2, "{grants:?}");
    for block in grants {
        tools.run(&format!("set -e; BOOTSTRAP={clients}\n{block}"));
    }
    until_said("the producer", "ready", || producer.readiness().filter(|said| said == "ready\n"));
    let consumer = start("consumer", "erboh-consumer", &["--group=voiceRatingConsumer"]);
    let load = Load::new(&[&producer.url], std::time::Duration::ZERO);
    load.during(2, || load.wait_for(100));
    consumer.demand_exact(&load);

    let board = consumer.url.trim_end_matches('/');
    let flags = login(cluster, "erboh-consumer", "erboh-consumer.password");
    let said = erboh("audit", &clients, &[flags, vec![format!("--board={board}")]].concat());
    assert_eq!(said.exit_code, 0, "{}", said.text);
    let said = erboh("doctor", &clients, &login(cluster, "erboh", "sasl.password"));
    assert!(said.exit_code < 2, "the doctor sees everything: {}", said.text);
    let said = erboh("smoke", &clients, &login(cluster, "erboh", "sasl.password"));
    assert_eq!(said.exit_code, 0, "{}", said.text);
    who_shows_a_certificate_has_rights_too(cluster);
    producer.stop();
    consumer.stop();
    each_right_that_a_consumer_lacks(cluster, &start);
    a_simulation_without_the_right_fails(cluster, &start);
    let start =
        |role: &str, user: &str, more: &[&str]| manage("--manage-topics=true", role, user, more);
    added_partitions_need_a_right(cluster, &roles, &start);
}

fn who_shows_a_certificate_has_rights_too(cluster: &Cluster) {
    let (brokers, flags) =
        (cluster.bootstrap_at(Door::Certificate), certificate(cluster, "client"));
    let topic = "walk-through";
    let flags = [flags, vec![format!("--topic={topic}")]].concat();
    refused("smoke", &brokers, &flags, &["user CN=client lacks the right Create on topic"]);
    for operation in ["Create", "Describe", "Write", "Read"] {
        cluster.allow_topic("CN=client", operation, topic).unwrap();
    }
    becomes("the smoke test passes", || erboh("smoke", &brokers, &flags).exit_code == 0);
}

/// Four consumers, each with all rights but one.
fn each_right_that_a_consumer_lacks(
    cluster: &Cluster,
    start: &dyn Fn(&str, &str, &[&str]) -> Role,
) {
    let Topics { ratings, totals, dead_letters } = Topics::default();
    let group = |user: &str| format!("group-of-{user}");
    for user in WITHOUT {
        let but = |without: &str, operation: &'static str| {
            if user == without { "Describe" } else { operation }
        };
        let rights: [(&str, &[&str]); 3] = [
            (&ratings, &["Describe", but("without-read", "Read")]),
            (&totals, &["Describe", "Read", but("without-totals", "Write")]),
            (&dead_letters, &["Describe", but("without-dead", "Write")]),
        ];
        grant_all(cluster, user, &rights);
        if user != "without-group" {
            cluster.allow_group(user, "Read", &group(user)).unwrap();
        }
    }
    // No rating, so that it is a dead letter.
    let plain = KafkaSettings::new(cluster.bootstrap_at(Door::Plain));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let writer = Writer::connect(&plain, &ratings).unwrap();
    let junk = vec![OutRecord::new("k", "junk"); 4];
    let sent = runtime.block_on(writer.send(junk, crate::WAIT_MAX));
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    let expected = [
        ("without-group", "Read on group group-of-without-group".to_owned()),
        ("without-read", format!("Read on topic {ratings}")),
        ("without-totals", format!("Write on topic {totals}")),
        ("without-dead", format!("Write on topic {dead_letters}")),
    ];
    for (user, right) in expected {
        let consumer = start("consumer", user, &[&format!("--group={}", group(user))]);
        let words = format!("user {user} lacks the right {right}; grant it with: kafka-acls.sh");
        until_said(user, &words, || consumer.problem());
        consumer.stop();
    }
}

/// It says what is missing, and another one has it.
fn a_simulation_without_the_right_fails(
    cluster: &Cluster,
    start: &dyn Fn(&str, &str, &[&str]) -> Role,
) {
    let (user, ratings) = (WITHOUT[0], Topics::default().ratings);
    let producer = start("producer", user, &[]);
    // It may write elsewhere, so that only the answer to a rating says what is missing.
    until_said("the producer", "ready", || producer.readiness().filter(|said| said == "ready\n"));
    let simulations = format!("{}api/v1/simulations", producer.url);
    let simulate = || {
        let order = agent().post(&simulations).header("content-type", "application/json");
        assert_eq!(order.send(r#"{"rate":20}"#).unwrap().status(), 201);
    };
    let newest = || get(&agent(), &simulations).unwrap()["simulations"][0].take();
    simulate();
    becomes("it fails", || newest()["state"] == "failed");
    let failed = newest();
    let lacks = format!("user {user} lacks the right Write on topic {ratings}");
    assert!(failed.to_string().contains(&lacks), "{failed}");
    assert_eq!(failed["acknowledged"], 0, "{failed}");
    cluster.allow_topic(user, "Write", &ratings).unwrap();
    becomes("another one has the right", || {
        let is_over = newest()["state"] == "failed";
        if is_over {
            simulate();
        }
        newest()["acknowledged"].as_u64() > Some(0)
    });
    producer.stop();
}

/// The totals get as many partitions as the ratings from a consumer that manages topics, for which none has the right
/// yet.
fn added_partitions_need_a_right(
    cluster: &Cluster,
    roles: &Roles,
    start: &dyn Fn(&str, &str, &[&str]) -> Role,
) {
    let Topics { ratings, totals, .. } = Topics::default();
    let consumer = || start("consumer", "erboh-consumer", &["--group=voiceRatingConsumer"]);
    let is_ready = |role: &Role| role.readiness().filter(|said| said == "ready\n");
    let running = consumer();
    until_said("a consumer", "ready", || is_ready(&running));
    roles.administer(roles.admin.add_partitions(&ratings, 3));
    let lacks = format!("user erboh-consumer lacks the right Alter on topic {totals}");
    until_said("the board of one that runs", &lacks, || running.problem());
    until_said("the log of one that runs", &lacks, || Some(running.log()));
    let started = consumer();
    until_said("the board of one that starts", &lacks, || started.problem());
    until_said("the log of one that starts", &lacks, || Some(started.log()));
    cluster.allow_topic("erboh-consumer", "Alter", &totals).unwrap();
    for consumer in [running, started] {
        until_said("a consumer with the right", "ready", || is_ready(&consumer));
        eventually("nothing is wrong any more", || {
            let said = consumer.partitions()?;
            (said["problem"].is_null() && said["partitions"].as_array()?.len() == 3).then_some(())
        });
        consumer.stop();
    }
}
