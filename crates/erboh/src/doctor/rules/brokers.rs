//! Brokers: how many, which version, and the settings that shape what is created later.

use super::{numbers, source};
use crate::doctor::finding::{Finding, Severity, set_in_files, set_on_brokers};
use crate::doctor::state::ClusterState;
use crate::queue::inspect::Setting;
use crate::queue::probe::{Probe, api};

/// From this version of Fetch on (Kafka 3.1) records are asked for by the topic's id.
const FETCH_BY_ID: i16 = 13;

pub(super) fn judge(state: &ClusterState) -> Vec<Finding> {
    if state.brokers.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    findings.extend(count(state));
    findings.extend(versions(state));
    findings.extend(auto_create(state));
    findings.extend(session_timeout(state));
    findings.extend(offsets_topic(state));
    findings.extend(transaction_log(state));
    findings.extend(unclean(state));
    findings.extend(new_topics(state));
    findings
}

fn count(state: &ClusterState) -> Option<Finding> {
    let finding = |severity, why| {
        let setting = ("number of brokers", state.brokers.len());
        Some(Finding::new(severity, "broker-count", "cluster", setting, why))
    };
    match state.brokers.len() {
        1 => finding(
            Severity::Note,
            "there is one copy of everything: what this broker's disk loses is lost, and nothing \
             works while it is down. Exact for development and demos, not for what must not be lost",
        ),
        2 => finding(
            Severity::Advice,
            "with two brokers, either an acknowledged rating may be on one disk only or one \
             broker that is down stops everything; three brokers avoid both",
        ),
        _ => None,
    }
}

fn versions(state: &ClusterState) -> Option<Finding> {
    let mut old = Vec::new();
    let mut ancient = Vec::new();
    for broker in &state.brokers {
        let Probe::Kafka(spoken) = &broker.probe else { continue };
        if spoken.last_version(api::INIT_PRODUCER_ID) < 0 {
            ancient.push(broker.id);
        } else if spoken.last_version(api::FETCH) < FETCH_BY_ID {
            old.push(broker.id);
        }
    }
    let finding = |severity, version: &str, of: &[i32], why| {
        let subject = named(of);
        let finding =
            Finding::new(severity, "broker-version", subject, ("Kafka version", version), why);
        finding.advise("upgrade to a Kafka that is still maintained")
    };
    if !ancient.is_empty() {
        return Some(finding(
            Severity::Danger,
            "before 0.11",
            &ancient,
            "it knows no idempotent producer, so the roles cannot write to it",
        ));
    }
    (!old.is_empty()).then(|| {
        finding(
            Severity::Advice,
            "before 3.1",
            &old,
            "a topic that is deleted and made anew is noticed a few records late; stop the \
             consumers before you do that",
        )
    })
}

/// One broker or several.
fn named(of: &[i32]) -> String {
    format!("{} {}", if of.len() == 1 { "broker" } else { "brokers" }, numbers(of))
}

/// A finding about one value of a broker's setting.
fn about(
    severity: Severity,
    check: &'static str,
    name: &str,
    (setting, of): &(&Setting, Vec<i32>),
    why: impl Into<String>,
) -> Finding {
    let subject = named(of);
    Finding::new(severity, check, subject, (name, &setting.value), why).from(source(setting.source))
}

/// The values of a setting that are numbers for which `bad` holds.
fn numbers_where<'a>(
    state: &'a ClusterState,
    name: &'a str,
    bad: impl Fn(i64) -> bool,
) -> impl Iterator<Item = (&'a Setting, Vec<i32>)> {
    let values = state.on_brokers(name).into_iter();
    values.filter(move |(setting, _)| setting.value.parse().is_ok_and(&bad))
}

fn auto_create(state: &ClusterState) -> Vec<Finding> {
    let name = "auto.create.topics.enable";
    let severity = match (state.will_create(), state.brokers.len()) {
        (true, _) => Severity::Warning,
        // Fit for development only, where it is handy too.
        (false, 1) => Severity::Note,
        (false, _) => Severity::Advice,
    };
    let values = state.on_brokers(name).into_iter().filter(|(setting, _)| setting.value == "true");
    let finding = |value| {
        about(
            severity,
            "auto-create-topics",
            name,
            &value,
            "any client that asks for a topic by name, a mistyped one too, creates it with the \
             brokers' defaults: the wrong number of partitions, and totals that are deleted \
             instead of compacted",
        )
        .fix_all(set_in_files(name, "false"))
    };
    values.map(finding).collect()
}

fn session_timeout(state: &ClusterState) -> Vec<Finding> {
    // With the new protocol it is the broker's to choose.
    if state.ours.property("group.protocol") == Some("consumer") {
        return Vec::new();
    }
    let ours = i64::try_from(state.ours.session_timeout_ms).unwrap_or(i64::MAX);
    let sides = [
        (
            "group.min.session.timeout.ms",
            "least",
            numbers_where(state, "group.min.session.timeout.ms", |least| ours < least)
                .collect::<Vec<_>>(),
        ),
        (
            "group.max.session.timeout.ms",
            "most",
            numbers_where(state, "group.max.session.timeout.ms", |most| ours > most).collect(),
        ),
    ];
    let mut findings = Vec::new();
    for (name, bound, values) in sides {
        for value in values {
            let why = format!(
                "consumers ask for a session.timeout.ms of {ours}, and the {bound} that is allowed \
                 is {}: they cannot join the group, and nothing is counted",
                value.0.value
            );
            let finding = about(Severity::Danger, "session-timeout", name, &value, why);
            let property =
                format!("--kafka-property session.timeout.ms={} for the consumers", value.0.value);
            findings.push(finding.fix_all(set_in_files(name, &ours.to_string())).advise(property));
        }
    }
    findings
}

fn offsets_topic(state: &ClusterState) -> Vec<Finding> {
    if state.brokers.len() < 2 {
        return Vec::new();
    }
    let name = "offsets.topic.replication.factor";
    let why = "where the one broker with the group's partition is down, no consumer can join and \
               nothing is counted until it is back; the totals do not depend on committed offsets";
    if let Ok(Some(copies)) = &state.offsets_topic {
        let fewest = copies.iter().map(|copies| copies.replicas.len()).min();
        return fewest
            .filter(|fewest| *fewest == 1)
            .map(|fewest| {
                let setting = ("replication factor", fewest);
                let subject = "topic __consumer_offsets";
                let finding =
                    Finding::new(Severity::Warning, "offsets-replication", subject, setting, why);
                finding.fix(super::copies::reassign(state, "__consumer_offsets", copies))
            })
            .into_iter()
            .collect();
    }
    let values = numbers_where(state, name, |factor| factor == 1);
    let finding = |value| {
        about(Severity::Warning, "offsets-replication", name, &value, why)
            .fix_all(set_in_files(name, "3"))
    };
    values.map(finding).collect()
}

fn transaction_log(state: &ClusterState) -> Vec<Finding> {
    let name = "transaction.state.log.replication.factor";
    let several = state.brokers.len() > 1;
    let values = numbers_where(state, name, move |factor| several && factor == 1);
    let finding = |value| {
        about(
            Severity::Advice,
            "transaction-replication",
            name,
            &value,
            "erboh uses no transactions, but a foreign producer's transaction that nobody can end \
             keeps readers of committed records waiting at it",
        )
        .fix_all(set_in_files(name, "3"))
    };
    values.map(finding).collect()
}

fn unclean(state: &ClusterState) -> Vec<Finding> {
    if state.brokers.len() < 2 {
        return Vec::new();
    }
    let name = "unclean.leader.election.enable";
    let severity = if state.will_create() { Severity::Danger } else { Severity::Warning };
    let values = state.on_brokers(name).into_iter().filter(|(setting, _)| setting.value == "true");
    let finding = |value| {
        about(
            severity,
            "unclean-election-default",
            name,
            &value,
            "topics without a setting of their own may elect a leader that lacks acknowledged \
             ratings",
        )
        .fix_all(set_on_brokers(state, name, "false"))
    };
    values.map(finding).collect()
}

/// The defaults that shape topics which do not exist yet.
fn new_topics(state: &ClusterState) -> Vec<Finding> {
    if !state.will_create() || state.brokers.len() < 2 {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let name = "default.replication.factor";
    for value in numbers_where(state, name, |factor| factor == 1) {
        let why = "the topics that a role is going to create would have one copy: the loss of one \
                   broker's disk would be the loss of ratings";
        let finding = about(Severity::Danger, "default-replication", name, &value, why)
            .advise("start the roles with --replication 3");
        findings.push(finding.fix_all(set_in_files(name, "3")));
    }
    let name = "min.insync.replicas";
    for value in numbers_where(state, name, |least| least == 1) {
        let why = "the topics that a role is going to create without --replication would \
                   acknowledge ratings that are on one disk only";
        let finding = about(Severity::Danger, "default-min-insync", name, &value, why)
            .advise("start the roles with --replication 3");
        findings.push(finding.fix_all(set_on_brokers(state, name, "2")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::doctor::rules::sample::{check, copies, set_on_brokers};
    use crate::queue::probe::Spoken;

    #[test]
    fn few_brokers_are_named() {
        check(judge, |_| {}, &[]);
        check(judge, |state| state.brokers.truncate(2), &[("broker-count", Severity::Advice)]);
        check(judge, |state| state.brokers.truncate(1), &[("broker-count", Severity::Note)]);
    }

    #[test]
    fn old_brokers_are_named() {
        let speaks = |fetch, producer| {
            move |state: &mut ClusterState| {
                let apis = BTreeMap::from([
                    (api::FETCH, (4, fetch)),
                    (api::INIT_PRODUCER_ID, (0, producer)),
                ]);
                state.brokers[0].probe = Probe::Kafka(Spoken { apis, ..Spoken::default() });
            }
        };
        check(judge, speaks(13, 0), &[]);
        check(judge, speaks(12, 0), &[("broker-version", Severity::Advice)]);
        check(judge, speaks(13, -1), &[("broker-version", Severity::Danger)]);
    }

    #[test]
    fn our_session_must_be_within_the_bounds() {
        let danger = [("session-timeout", Severity::Danger)];
        let with = |name: &'static str, value: &'static str| {
            move |state: &mut ClusterState| set_on_brokers(state, name, value)
        };
        check(judge, with("group.min.session.timeout.ms", "10000"), &[]);
        check(judge, with("group.min.session.timeout.ms", "10001"), &danger);
        check(judge, with("group.max.session.timeout.ms", "10000"), &[]);
        check(judge, with("group.max.session.timeout.ms", "9999"), &danger);
        let new = |state: &mut ClusterState| {
            with("group.max.session.timeout.ms", "9999")(state);
            state.ours.properties.push(("group.protocol".into(), "consumer".into()));
        };
        check(judge, new, &[]);
    }

    #[test]
    fn the_groups_own_topic_needs_copies() {
        let warning = [("offsets-replication", Severity::Warning)];
        let name = "offsets.topic.replication.factor";
        check(judge, |state| set_on_brokers(state, name, "1"), &[]);
        let one = |state: &mut ClusterState| {
            state.offsets_topic = Ok(Some(copies()));
            let copies = state.offsets_topic.as_mut().unwrap().as_mut().unwrap();
            copies[1].replicas = vec![1];
        };
        check(judge, one, &warning);
        let none_yet = |state: &mut ClusterState| {
            state.offsets_topic = Ok(None);
            set_on_brokers(state, name, "1");
        };
        check(judge, none_yet, &warning);
        check(
            judge,
            |state| set_on_brokers(state, "transaction.state.log.replication.factor", "1"),
            &[("transaction-replication", Severity::Advice)],
        );
    }

    #[test]
    fn defaults_matter_more_while_topics_are_missing() {
        let bad = |state: &mut ClusterState| {
            set_on_brokers(state, "auto.create.topics.enable", "true");
            set_on_brokers(state, "unclean.leader.election.enable", "true");
            set_on_brokers(state, "default.replication.factor", "1");
            set_on_brokers(state, "min.insync.replicas", "1");
        };
        check(
            judge,
            bad,
            &[
                ("auto-create-topics", Severity::Advice),
                ("unclean-election-default", Severity::Warning),
            ],
        );
        let missing = |state: &mut ClusterState| {
            bad(state);
            state.topics[1].copies = Ok(None);
        };
        check(
            judge,
            missing,
            &[
                ("auto-create-topics", Severity::Warning),
                ("unclean-election-default", Severity::Danger),
                ("default-replication", Severity::Danger),
                ("default-min-insync", Severity::Danger),
            ],
        );
    }
}
