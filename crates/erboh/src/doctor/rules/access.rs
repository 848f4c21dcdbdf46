//! Access: what could not be looked at, and the right that is missing.

use crate::doctor::finding::{Finding, Fix, Severity, tool};
use crate::doctor::state::ClusterState;
use crate::queue::inspect::Trouble;
use crate::queue::probe::Probe;
use crate::queue::{Resource, Right};

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
        let (value, why) = (("", &trouble.reason), "what cannot be seen may be wrong");
        return Finding::new(Severity::Blind, "answer", subject, value, why)
            .advise("mend what is said about addresses, settings and brokers, then look again");
    };
    let why = format!("cannot {}: {}", trouble.what, trouble.reason);
    let subject = format!("user {}", state.ours.user);
    Finding::new(Severity::Blind, "right", subject, ("missing right", right.to_string()), why)
        .fix_all(grant(state, right))
}

/// Both ways to grant a right.
fn grant(state: &ClusterState, right: &Right) -> [Fix; 2] {
    let user = &state.ours.user;
    let resource = match right.resource {
        Resource::Cluster => "{type: cluster}".to_owned(),
        Resource::Topic => format!("{{type: topic, name: {}}}", right.name),
        Resource::Group => format!("{{type: group, name: {}}}", right.name),
    };
    // Strimzi names a user of its own by the common name in the certificate.
    let name = user.strip_prefix("CN=").unwrap_or(user);
    let what = format!(
        "with Strimzi, add to spec.authorization.acls of KafkaUser {name}: {{resource: {resource}, \
         operations: [{}]}}",
        right.operation
    );
    // They are a list, so one is added and not merged.
    [tool(state, "kafka-acls.sh", &right.arguments(user)), Fix::Text { what }]
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
        state.ours.user = "ann".into();
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
