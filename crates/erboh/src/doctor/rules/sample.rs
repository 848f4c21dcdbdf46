//! A cluster with nothing to say about, for tests to spoil in one place.

use std::collections::BTreeMap;

use super::Finding;
use crate::doctor::finding::Severity;
use crate::doctor::state::{Broker, ClusterState, Ours, Progress, Role, Topic};
use crate::limits::SNAPSHOT_BYTES_MAX;
use crate::queue::inspect::{Copies, Group, GroupMember, Setting, Settings, Source};
use crate::queue::probe::{Probe, Spoken, api};

/// The names of checks that the documentation promises to programs.
pub(crate) fn documented() -> impl Iterator<Item = &'static str> {
    let page = include_str!("../../../../../docs/doctor.md");
    let table = page.lines().skip_while(|line| !line.starts_with("| about |")).skip(2);
    let names = table.map_while(|row| row.strip_suffix(" |")?.rsplit('|').next());
    names.flat_map(|names| names.split(", ")).map(|name| name.trim_matches([' ', '`']))
}

/// What a test expects: which checks found something, and how bad.
#[track_caller]
pub(crate) fn checks(findings: &[Finding]) -> Vec<(&'static str, Severity)> {
    for Finding { check, .. } in findings {
        assert!(documented().any(|name| name == *check), "docs/doctor.md does not name {check}");
    }
    findings.iter().map(|finding| (finding.check, finding.severity)).collect()
}

/// What a rule finds in a cluster that has been spoilt in one place.
#[track_caller]
pub(crate) fn check(
    rule: fn(&ClusterState) -> Vec<Finding>,
    spoil: impl FnOnce(&mut ClusterState),
    expected: &[(&str, Severity)],
) {
    let mut state = good();
    spoil(&mut state);
    assert_eq!(checks(&rule(&state)), expected);
}

/// A broker of today's Kafka.
pub(crate) fn kafka() -> Probe {
    let apis = [
        (api::FETCH, (4, 17)),
        (api::METADATA, (0, 13)),
        (api::SASL_HANDSHAKE, (0, 1)),
        (api::INIT_PRODUCER_ID, (0, 5)),
    ];
    Probe::Kafka(Spoken {
        apis: BTreeMap::from(apis),
        cluster: Some("C".into()),
        ..Spoken::default()
    })
}

pub(crate) fn settings(values: &[(&str, &str)]) -> Settings {
    let setting = |value: &str| Setting { value: value.to_owned(), source: Source::Default };
    values.iter().map(|(name, value)| ((*name).to_owned(), setting(value))).collect()
}

/// Three partitions with three copies each.
pub(crate) fn copies() -> Vec<Copies> {
    let copies = |partition| Copies {
        partition,
        leader: Some(1),
        replicas: vec![1, 2, 3],
        in_sync: vec![3, 1, 2],
    };
    (0..3).map(copies).collect()
}

fn topic(role: Role, name: &str, policy: &str) -> Topic {
    let snapshot = SNAPSHOT_BYTES_MAX.to_string();
    let settings = settings(&[
        ("cleanup.policy", policy),
        ("compression.type", "producer"),
        ("max.message.bytes", &snapshot),
        ("message.timestamp.after.max.ms", "3600000"),
        ("message.timestamp.before.max.ms", "9223372036854775807"),
        ("message.timestamp.type", "CreateTime"),
        ("min.cleanable.dirty.ratio", "0.5"),
        ("min.compaction.lag.ms", "0"),
        ("min.insync.replicas", "2"),
        ("retention.bytes", "-1"),
        ("retention.ms", "604800000"),
        ("segment.bytes", "33554432"),
        ("segment.ms", "3600000"),
        ("unclean.leader.election.enable", "false"),
    ]);
    Topic { role, name: name.to_owned(), copies: Ok(Some(copies())), settings: Ok(settings) }
}

pub(crate) const NOW_MS: i64 = 1_800_000_000_000;

/// Nothing to say.
pub(crate) fn good() -> ClusterState {
    let broker = |id| Broker {
        id,
        host: "127.0.0.1".to_owned(),
        port: 9092,
        probe: kafka(),
        settings: Ok(settings(&[
            ("auto.create.topics.enable", "false"),
            ("default.replication.factor", "3"),
            ("group.max.session.timeout.ms", "1800000"),
            ("group.min.session.timeout.ms", "6000"),
            ("min.insync.replicas", "2"),
            ("offsets.topic.replication.factor", "3"),
            ("transaction.state.log.replication.factor", "3"),
            ("unclean.leader.election.enable", "false"),
        ])),
    };
    let member = GroupMember {
        id: "erboh-1".to_owned(),
        client: "erboh".to_owned(),
        host: "127.0.0.1".to_owned(),
    };
    let progress = |partition| Progress {
        partition,
        start: 0,
        end: 100,
        committed: Some(100),
        oldest_ms: None,
    };
    ClusterState {
        ours: Ours {
            brokers: "b:9092".to_owned(),
            security: "plaintext".to_owned(),
            properties: Vec::new(),
            user: "ANONYMOUS".into(),
            session_timeout_ms: 10_000,
            group: "g".to_owned(),
        },
        bootstrap: vec![("b:9092".to_owned(), kafka())],
        cluster: Some("C".to_owned()),
        brokers: (1..=3).map(broker).collect(),
        trouble: None,
        topics: vec![
            topic(Role::Ratings, "ratings", "delete"),
            topic(Role::Totals, "totals", "compact"),
            topic(Role::DeadLetters, "dead", "compact,delete"),
        ],
        offsets_topic: Ok(Some(copies())),
        group: Ok(Some(Group { state: "Stable".to_owned(), members: vec![member] })),
        progress: Ok((0..3).map(progress).collect()),
        now_ms: NOW_MS,
    }
}

/// Sets a setting of the topic with this role.
pub(crate) fn set(state: &mut ClusterState, role: Role, name: &str, value: &str) {
    let topic = state.topics.iter_mut().find(|topic| topic.role == role).expect("a topic");
    let settings = topic.settings.as_mut().expect("settings");
    settings.insert(name.to_owned(), Setting { value: value.to_owned(), source: Source::Topic });
}

/// Sets a setting of all brokers.
pub(crate) fn set_on_brokers(state: &mut ClusterState, name: &str, value: &str) {
    for broker in &mut state.brokers {
        let settings = broker.settings.as_mut().expect("settings");
        settings.insert(name.to_owned(), Setting { value: value.to_owned(), source: Source::File });
    }
}
