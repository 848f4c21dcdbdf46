//! Access: what could not be looked at, and the right that is missing.

use crate::doctor::finding::{Finding, Fix, Severity, tool};
use crate::doctor::state::ClusterState;
use crate::queue::inspect::{Resource, Right, Trouble};
use crate::queue::probe::Probe;

/// How librdkafka says that it was built without OpenSSL.
const WITHOUT_TLS: [&str; 2] = ["OpenSSL not available", "with libsasl2 or openssl support"];

pub(super) fn judge(state: &ClusterState) -> Vec<Finding> {
    let mut troubles: Vec<&Trouble> = state.trouble.iter().collect();
    if state.brokers.is_empty() {
        // Nothing else was asked.
        return troubles.into_iter().map(|trouble| finding(state, trouble)).collect();
    }
    for topic in &state.topics {
        troubles.extend(topic.copies.as_ref().err());
        // Where the topic cannot be seen, nothing else about it is news.
        troubles.extend(topic.settings.as_ref().err().filter(|_| topic.copies.is_ok()));
    }
    // A broker that is not reachable has its own finding.
    let reachable = |probe: &Probe| matches!(probe, Probe::Kafka(_) | Probe::Tls);
    let brokers = state.brokers.iter().filter(|broker| reachable(&broker.probe));
    troubles.extend(brokers.filter_map(|broker| broker.settings.as_ref().err()));
    troubles.extend(state.group.as_ref().err());
    troubles.extend(state.progress.as_ref().err().filter(|_| state.group.is_ok()));

    let mut findings: Vec<Finding> = Vec::new();
    for trouble in troubles {
        let finding = finding(state, trouble);
        // One right opens all brokers.
        let said = |other: &Finding| other.check == "right" && other.value == finding.value;
        if finding.check != "right" || !findings.iter().any(said) {
            findings.push(finding);
        }
    }
    findings
}

fn finding(state: &ClusterState, trouble: &Trouble) -> Finding {
    let Some(right) = &trouble.missing else {
        let subject = format!("cannot {}", trouble.what);
        let value = ("", &trouble.reason);
        let finding = |why| Finding::new(Severity::Blind, "answer", subject, value, why);
        if WITHOUT_TLS.iter().any(|sign| trouble.reason.contains(sign)) {
            return finding("this erboh was built without TLS and SCRAM")
                .advise("use a listener without TLS, with SASL PLAIN at most");
        }
        return finding("what cannot be seen may be wrong")
            .advise("mend what is said about addresses, settings and brokers, then look again");
    };
    let on = match right.resource {
        Resource::Cluster => "the cluster".to_owned(),
        Resource::Topic => format!("topic {}", right.name),
        Resource::Group => format!("group {}", right.name),
    };
    let why = format!("cannot {}: {}", trouble.what, trouble.reason);
    let value = format!("{} on {on}", right.operation);
    let subject = format!("user {}", user(state));
    Finding::new(Severity::Blind, "right", subject, ("missing right", value), why)
        .fix_all(grant(state, right))
}

/// Who the brokers take us for.
fn user(state: &ClusterState) -> &str {
    state.ours.property("sasl.username").unwrap_or("ANONYMOUS")
}

/// Both ways to grant a right.
fn grant(state: &ClusterState, right: &Right) -> [Fix; 2] {
    let user = user(state);
    let (flag, resource) = match right.resource {
        Resource::Cluster => ("--cluster".to_owned(), "{type: cluster}".to_owned()),
        Resource::Topic => {
            (format!("--topic {}", right.name), format!("{{type: topic, name: {}}}", right.name))
        }
        Resource::Group => {
            (format!("--group {}", right.name), format!("{{type: group, name: {}}}", right.name))
        }
    };
    let arguments =
        format!("--add --allow-principal User:{user} --operation {} {flag}", right.operation);
    let what = format!(
        "with Strimzi, add to spec.authorization.acls of KafkaUser {user}: {{resource: {resource}, \
         operations: [{}]}}",
        right.operation
    );
    // They are a list, so one is added and not merged.
    [tool(state, "kafka-acls.sh", &arguments), Fix::Text { what }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::rules::sample::{checks, good};

    fn trouble(missing: Option<Right>) -> Trouble {
        Trouble { what: "look".into(), reason: "no".into(), missing }
    }

    fn right(operation: &'static str, resource: Resource, name: &str) -> Right {
        Right { operation, resource, name: name.into() }
    }

    #[test]
    fn a_missing_right_is_named_once_and_can_be_granted() {
        let mut state = good();
        assert_eq!(judge(&state), []);
        let cluster = right("DescribeConfigs", Resource::Cluster, "");
        for broker in &mut state.brokers {
            broker.settings = Err(trouble(Some(cluster.clone())));
        }
        let topic = right("DescribeConfigs", Resource::Topic, "ratings");
        state.topics[0].settings = Err(trouble(Some(topic)));
        state.ours.properties.push(("sasl.username".into(), "ann".into()));
        let findings = judge(&state);
        assert_eq!(checks(&findings), [("right", Severity::Blind); 2]);
        let Fix::Command { run } = &findings[0].fixes[0] else { panic!("a command comes first") };
        assert_eq!(
            run,
            "kafka-acls.sh --bootstrap-server b:9092 --add --allow-principal User:ann \
             --operation DescribeConfigs --topic ratings"
        );
        assert_eq!(findings[1].value, "DescribeConfigs on the cluster");
    }

    #[test]
    fn an_answer_that_did_not_come_is_named() {
        let mut state = good();
        state.brokers.clear();
        state.trouble = Some(trouble(None));
        assert_eq!(checks(&judge(&state)), [("answer", Severity::Blind)]);
        let mut state = good();
        state.brokers[0].settings = Err(trouble(None));
        assert_eq!(checks(&judge(&state)), [("answer", Severity::Blind)]);
        state.brokers[0].probe = Probe::Silent;
        assert_eq!(judge(&state), [], "the address is somebody else's finding");
    }
}
