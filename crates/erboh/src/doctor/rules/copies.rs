//! Copies: whether an acknowledged rating is on enough disks, and whether it stays the truth.

use super::source;
use crate::doctor::finding::{Finding, Fix, Severity, set_on_topic};
use crate::doctor::state::{ClusterState, Role, Topic};
use crate::queue::inspect::Copies;

/// The number of copies that survives the loss of one broker without stopping.
const COPIES: usize = 3;

pub(super) fn judge(state: &ClusterState) -> Vec<Finding> {
    let mut findings = Vec::new();
    for topic in &state.topics {
        let Some(partitions) = topic.partitions() else { continue };
        let fewest = topic.replication().unwrap_or(0);
        findings.extend(replication(state, topic, partitions, fewest));
        findings.extend(min_insync(state, topic, fewest));
        findings.extend(unclean(state, topic));
        findings.extend(health(topic, partitions));
    }
    findings
}

/// Losing dead letters loses no rating.
fn danger(topic: &Topic) -> Severity {
    if topic.role == Role::DeadLetters { Severity::Warning } else { Severity::Danger }
}

/// What is lost with the topic's records.
fn lost(topic: &Topic) -> &'static str {
    match topic.role {
        Role::Ratings => "acknowledged ratings",
        Role::Totals => "the totals, and with them all ratings that retention has taken since",
        Role::DeadLetters => "dead letters",
    }
}

fn replication(
    state: &ClusterState,
    topic: &Topic,
    partitions: &[Copies],
    fewest: usize,
) -> Option<Finding> {
    let brokers = state.brokers.len();
    // A cluster of one broker has its own note.
    let (severity, why) = match fewest {
        1 if brokers > 1 => {
            (danger(topic), format!("the loss of one broker's disk is the loss of {}", lost(topic)))
        }
        2 if brokers >= COPIES => (
            Severity::Advice,
            "with two copies, either one disk may hold the only copy of an acknowledged record or \
             one broker that is down stops the topic"
                .to_owned(),
        ),
        _ => return None,
    };
    let setting = ("replication factor", fewest);
    let finding = Finding::new(severity, "replication", topic.subject(), setting, why);
    let copies = brokers.min(COPIES);
    let yaml = Fix::Yaml {
        resource: format!("KafkaTopic/{}", topic.name),
        merge: format!("spec: {{replicas: {copies}}}"),
    };
    Some(finding.fix(reassign(state, &topic.name, partitions)).fix(yaml))
}

/// The command that gives every partition of a topic [`COPIES`] copies, the present ones first.
pub(super) fn reassign(state: &ClusterState, topic: &str, partitions: &[Copies]) -> Fix {
    let brokers: Vec<i32> = state.brokers.iter().map(|broker| broker.id).collect();
    let plan = |copies: &Copies| {
        let mut replicas = copies.replicas.clone();
        // Each partition begins with another broker, so that the copies spread.
        let from = copies.partition as usize % brokers.len().max(1);
        for broker in brokers.iter().cycle().skip(from).take(brokers.len()) {
            if replicas.len() < COPIES && !replicas.contains(broker) {
                replicas.push(*broker);
            }
        }
        serde_json::json!({"topic": topic, "partition": copies.partition, "replicas": replicas})
    };
    let plan: Vec<serde_json::Value> = partitions.iter().map(plan).collect();
    let plan = serde_json::json!({"version": 1, "partitions": plan});
    let file = format!("{topic}-copies.json");
    let arguments = format!("--reassignment-json-file {file} --execute");
    let Fix::Command { run } =
        crate::doctor::finding::tool(state, "kafka-reassign-partitions.sh", &arguments)
    else {
        unreachable!("a tool is a command")
    };
    Fix::Command { run: format!("echo '{plan}' > {file} && {run}") }
}

fn min_insync(state: &ClusterState, topic: &Topic, copies: usize) -> Option<Finding> {
    let name = "min.insync.replicas";
    let setting = topic.setting(name)?;
    let least: usize = setting.value.parse().ok()?;
    let found = |severity, why: String| {
        let value = (name, &setting.value);
        let finding = Finding::new(severity, "min-insync", topic.subject(), value, why);
        finding.from(source(setting.source))
    };
    let set = |value: usize| set_on_topic(state, topic, name, &value.to_string());
    if copies >= 2 && least == 1 {
        let why = format!(
            "with acks=all a record is acknowledged as soon as the copies that are in sync have \
             it; down to one copy, the loss of that disk is the loss of {}",
            lost(topic)
        );
        return Some(found(danger(topic), why).fix_all(set(2)));
    }
    if least > copies {
        let why = format!(
            "there are {copies} copies, so {least} can never be in sync, and every write is refused"
        );
        let finding = found(Severity::Danger, why);
        return Some(match state.brokers.len() {
            brokers if brokers > least => finding.advise("give the topic three copies"),
            _ => finding.fix_all(set(copies.saturating_sub(1).max(1))),
        });
    }
    if least == copies && copies >= 2 {
        let why = "every copy must be in sync: one broker that is down, for a restart too, stops \
                   all writes to its partitions. Nothing is lost"
            .to_owned();
        let finding = found(Severity::Warning, why);
        return Some(match copies {
            2 => finding.advise("give the topic three copies, then this is right"),
            _ => finding.fix_all(set(copies - 1)),
        });
    }
    None
}

fn unclean(state: &ClusterState, topic: &Topic) -> Option<Finding> {
    let name = "unclean.leader.election.enable";
    let setting = topic.setting(name).filter(|setting| setting.value == "true")?;
    if state.brokers.len() < 2 {
        return None;
    }
    let why = format!(
        "when no copy in sync is up, Kafka makes one leader that lacks records and cuts the others \
         to its length: {} disappear, and consumers halt at a log that is not the one they counted",
        lost(topic)
    );
    let finding =
        Finding::new(danger(topic), "unclean-election", topic.subject(), (name, "true"), why);
    let fixes = set_on_topic(state, topic, name, "false");
    Some(finding.from(source(setting.source)).fix_all(fixes))
}

fn health(topic: &Topic, partitions: &[Copies]) -> Vec<Finding> {
    let least = topic.number("min.insync.replicas").unwrap_or(1);
    let (mut offline, mut below, mut under) = (Vec::new(), Vec::new(), Vec::new());
    for copies in partitions {
        let in_sync = copies.in_sync.len();
        if copies.leader.is_none() {
            offline.push(copies.partition);
        } else if (in_sync as i64) < least {
            below.push(copies.partition);
        } else if in_sync < copies.replicas.len() {
            under.push(copies.partition);
        }
    }
    let finding = |severity, check, setting, of: &[i32], why: &str| {
        let value = super::numbers(of);
        Finding::new(severity, check, topic.subject(), (setting, value), why)
            .advise("bring the brokers back that are missing from the partitions' copies")
    };
    let mut findings = Vec::new();
    if !offline.is_empty() {
        let why = "no copy can be read or written: their ratings are neither accepted nor counted";
        findings.push(finding(danger(topic), "offline", "offline partitions", &offline, why));
    }
    if !below.is_empty() {
        let why = "fewer copies are in sync than min.insync.replicas asks for: writes are refused, \
                   and what was acknowledged before is on fewer disks than promised";
        findings.push(finding(
            danger(topic),
            "under-min-insync",
            "partitions below min.insync.replicas",
            &below,
            why,
        ));
    }
    if !under.is_empty() {
        let why = "a copy is missing or behind: one more fault costs more than it should";
        let setting = "under-replicated partitions";
        findings.push(finding(Severity::Warning, "under-replicated", setting, &under, why));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::rules::sample::{check, copies, good, set};

    /// Gives the ratings so many copies, all in sync.
    fn replicas(state: &mut ClusterState, replicas: &[i32]) {
        let mut all = copies();
        for copies in &mut all {
            copies.replicas = replicas.to_vec();
            copies.in_sync = replicas.to_vec();
        }
        state.topics[0].copies = Ok(Some(all));
    }

    #[test]
    fn copies_and_how_many_must_be_in_sync() {
        let case = |of: &'static [i32], least: &'static str| {
            move |state: &mut ClusterState| {
                replicas(state, of);
                set(state, Role::Ratings, "min.insync.replicas", least);
            }
        };
        let danger = |check| (check, Severity::Danger);
        check(judge, case(&[1, 2, 3], "2"), &[]);
        check(judge, case(&[1, 2, 3], "1"), &[danger("min-insync")]);
        check(judge, case(&[1, 2, 3], "3"), &[("min-insync", Severity::Warning)]);
        check(judge, case(&[1, 2, 3], "4"), &[danger("min-insync"), danger("under-min-insync")]);
        let two = ("replication", Severity::Advice);
        check(judge, case(&[1, 2], "1"), &[two, danger("min-insync")]);
        check(judge, case(&[1, 2], "2"), &[two, ("min-insync", Severity::Warning)]);
        check(judge, case(&[1], "1"), &[danger("replication")]);
        let alone = |state: &mut ClusterState| {
            case(&[1], "1")(state);
            state.brokers.truncate(1);
            state.topics.truncate(1);
        };
        check(judge, alone, &[]);
    }

    #[test]
    fn dead_letters_are_not_ratings() {
        check(
            judge,
            |state| set(state, Role::DeadLetters, "min.insync.replicas", "1"),
            &[("min-insync", Severity::Warning)],
        );
    }

    #[test]
    fn unclean_election_is_found_where_there_is_an_election() {
        let on = |state: &mut ClusterState| {
            set(state, Role::Totals, "unclean.leader.election.enable", "true");
        };
        check(judge, on, &[("unclean-election", Severity::Danger)]);
        let alone = |state: &mut ClusterState| {
            on(state);
            state.brokers.truncate(1);
        };
        check(judge, alone, &[]);
    }

    #[test]
    fn the_state_of_the_copies_is_told() {
        let first = |change: fn(&mut Copies)| {
            move |state: &mut ClusterState| {
                let mut all = copies();
                change(&mut all[0]);
                state.topics[0].copies = Ok(Some(all));
            }
        };
        check(judge, first(|copies| copies.leader = None), &[("offline", Severity::Danger)]);
        check(
            judge,
            first(|copies| copies.in_sync = vec![1]),
            &[("under-min-insync", Severity::Danger)],
        );
        check(
            judge,
            first(|copies| copies.in_sync = vec![1, 2]),
            &[("under-replicated", Severity::Warning)],
        );
    }

    #[test]
    fn a_reassignment_keeps_what_is_there_and_spreads_the_rest() {
        let mut state = good();
        replicas(&mut state, &[2]);
        let Fix::Command { run } =
            reassign(&state, "ratings", state.topics[0].partitions().unwrap())
        else {
            panic!("a command")
        };
        assert!(run.contains(r#""partition":0,"replicas":[2,1,3]"#), "{run}");
        assert!(run.contains(r#""partition":2,"replicas":[2,3,1]"#), "{run}");
        assert!(run.contains("--reassignment-json-file ratings-copies.json --execute"), "{run}");
    }
}
