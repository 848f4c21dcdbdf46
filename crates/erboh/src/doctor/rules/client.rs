//! Client: what the user's own properties do to the guarantees.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::state::ClusterState;

/// What exactness demands of the client; no property changes these.
const DEMANDED: [(&str, &str); 8] = [
    ("acks", "all"),
    ("allow.auto.create.topics", "false"),
    ("auto.offset.reset", "error"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.idempotence", "true"),
    ("isolation.level", "read_committed"),
    ("partitioner", "murmur2_random"),
];

/// A consumer that was killed is missed for this long at most before it is worth a word.
const SESSION_LONG_MS: u64 = 60_000;

pub(super) fn judge(state: &ClusterState) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        state.ours.properties.iter().filter_map(|(name, value)| property(name, value)).collect();
    let session_ms = state.ours.session_timeout_ms;
    if session_ms > SESSION_LONG_MS {
        let why = "the partitions of a consumer that was killed stay uncounted for this long";
        findings.push(about(Severity::Advice, "session.timeout.ms", &session_ms.to_string(), why));
    }
    findings
}

fn about(severity: Severity, name: &str, value: &str, why: &str) -> Finding {
    Finding::new(severity, "client-property", "--kafka-property", (name, value), why)
        .advise(format!("leave --kafka-property {name} away"))
}

fn property(name: &str, value: &str) -> Option<Finding> {
    if let Some((_, demanded)) = DEMANDED.iter().find(|(demanded, _)| *demanded == name) {
        let why = format!("it has no effect: exactness needs {name}={demanded}");
        return (value != *demanded).then(|| about(Severity::Note, name, value, &why));
    }
    let (severity, why) = match (name, value) {
        ("check.crcs", "false") => (
            Severity::Warning,
            "a record that was damaged on the way is counted as it arrived, instead of fetched anew",
        ),
        ("enable.ssl.certificate.verification", "false")
        | ("ssl.endpoint.identification.algorithm", "none") => (
            Severity::Warning,
            "whoever stands between here and the brokers can pretend to be them",
        ),
        ("transactional.id", _) => (
            Severity::Danger,
            "a transactional producer refuses every record outside of a transaction, and erboh \
             needs none: no rating would be accepted",
        ),
        ("group.protocol", "consumer") => (
            Severity::Note,
            "the group's new protocol is an early one in this client; the classic one is tested",
        ),
        _ => return None,
    };
    Some(about(severity, name, value, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::rules::sample::{checks, good};

    #[track_caller]
    fn check(name: &str, value: &str, expected: &[Severity]) {
        let mut state = good();
        state.ours.properties.push((name.into(), value.into()));
        let expected: Vec<_> = expected.iter().map(|s| ("client-property", *s)).collect();
        assert_eq!(checks(&judge(&state)), expected, "{name}={value}");
    }

    #[test]
    fn properties_that_weaken_are_named() {
        check("client.rack", "a", &[]);
        check("acks", "all", &[]);
        check("acks", "1", &[Severity::Note]);
        check("check.crcs", "true", &[]);
        check("check.crcs", "false", &[Severity::Warning]);
        check("transactional.id", "x", &[Severity::Danger]);
        check("group.protocol", "classic", &[]);
        check("group.protocol", "consumer", &[Severity::Note]);
        check("ssl.endpoint.identification.algorithm", "none", &[Severity::Warning]);
    }

    #[test]
    fn a_long_session_is_named() {
        let mut state = good();
        state.ours.session_timeout_ms = SESSION_LONG_MS;
        assert_eq!(judge(&state), []);
        state.ours.session_timeout_ms += 1;
        assert_eq!(checks(&judge(&state)), [("client-property", Severity::Advice)]);
    }
}
