//! The report: findings as text for people and as JSON for programs, and the verdict.
//!
//! ```text
//! doctor of kafka:9092, cluster …, 3 brokers
//!
//! DANGER: ratings may be lost
//!   ✗ topic erboh-ratings: min.insync.replicas = 1 (set on the topic)
//!     why it matters
//!     fix      kafka-configs.sh …
//!     Strimzi  KafkaTopic/erboh-ratings  spec: {config: {min.insync.replicas: 2}}
//!
//! verdict: …
//! ```

use std::fmt::Write as _;

use serde::Serialize;

use super::finding::{Finding, Fix, Severity};
use super::state::ClusterState;

/// What the findings come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing that was looked at endangers exactness, and everything was.
    Safe,
    /// Something endangers exactness.
    Endangered,
    /// Nothing that was seen endangers exactness, but not everything could be seen.
    Unknown,
}

impl Verdict {
    /// What the findings come to.
    #[must_use]
    pub(crate) fn of(findings: &[Finding]) -> Self {
        match findings.iter().map(|finding| finding.severity).min() {
            Some(Severity::Danger) => Self::Endangered,
            Some(Severity::Blind) => Self::Unknown,
            _ => Self::Safe,
        }
    }

    /// The exit code of the command.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Safe => 0,
            Self::Endangered => 1,
            Self::Unknown => 2,
        }
    }
}

const GROUPS: [(Severity, &str, &str); 5] = [
    (Severity::Danger, "DANGER: ratings may be lost, or go uncounted", "✗"),
    (Severity::Blind, "NOT SEEN: nothing is known about these", "?"),
    (Severity::Warning, "WARNING: one more fault stops the roles, or a limit is near", "!"),
    (Severity::Advice, "ADVICE: it works, and there is a better way", "+"),
    (Severity::Note, "NOTES", "·"),
];

/// The report for people.
#[must_use]
pub(crate) fn text(state: &ClusterState, findings: &[Finding]) -> String {
    let mut text = format!("doctor of {}\n", summary(state));
    for (severity, title, mark) in GROUPS {
        let of_group = findings.iter().filter(|finding| finding.severity == severity);
        let mut of_group = of_group.peekable();
        if of_group.peek().is_some() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n{title}");
        }
        of_group.for_each(|finding| paragraph(&mut text, mark, finding));
    }
    let _ = write!(text, "\nverdict: {}", verdict(findings));
    text
}

/// What was looked at, in one line.
fn summary(state: &ClusterState) -> String {
    let mut text = state.ours.brokers.clone();
    if let Some(cluster) = &state.cluster {
        let _ = write!(text, ": cluster {cluster}");
    }
    match state.brokers.len() {
        0 => {}
        1 => text.push_str(", 1 broker"),
        count => drop(write!(text, ", {count} brokers")),
    }
    for topic in &state.topics {
        if let Some(partitions) = topic.partitions() {
            let _ = write!(text, ", {} ({} partitions)", topic.name, partitions.len());
        }
    }
    text
}

fn paragraph(text: &mut String, mark: &str, finding: &Finding) {
    let Finding { subject, setting, value, .. } = finding;
    let source = finding.source.as_ref().map_or(String::new(), |source| format!(" ({source})"));
    let setting = if setting.is_empty() { String::new() } else { format!("{setting} = ") };
    let _ = writeln!(text, "  {mark} {subject}: {setting}{value}{source}");
    let _ = writeln!(text, "    {}", finding.why);
    for fix in &finding.fixes {
        let _ = match fix {
            Fix::Command { run } => writeln!(text, "    fix      {run}"),
            Fix::Yaml { resource, merge } => writeln!(text, "    Strimzi  {resource}  {merge}"),
            Fix::Text { what } => writeln!(text, "    do       {what}"),
        };
    }
}

fn verdict(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let many = |severity, one: &str, more: &str| match count(severity) {
        1 => format!("1 {one}"),
        count => format!("{count} {more}"),
    };
    match Verdict::of(findings) {
        Verdict::Safe => format!(
            "nothing here endangers exactness ({}, {} and {})",
            many(Severity::Warning, "warning", "warnings"),
            many(Severity::Advice, "piece of advice", "pieces of advice"),
            many(Severity::Note, "note", "notes")
        ),
        Verdict::Endangered => {
            format!(
                "NOT SAFE: {}",
                many(Severity::Danger, "finding endangers", "findings endanger")
            ) + " exactness"
        }
        Verdict::Unknown => format!(
            "could not tell: {} could not be looked at",
            many(Severity::Blind, "thing", "things")
        ),
    }
}

#[derive(Serialize)]
struct Json<'a> {
    format: u32,
    verdict: Verdict,
    brokers: &'a str,
    cluster: Cluster<'a>,
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct Cluster<'a> {
    id: Option<&'a str>,
    brokers: Vec<Address<'a>>,
    topics: Vec<Shape<'a>>,
}

#[derive(Serialize)]
struct Address<'a> {
    id: i32,
    host: &'a str,
    port: u16,
}

#[derive(Serialize)]
struct Shape<'a> {
    name: &'a str,
    partitions: Option<usize>,
}

/// The report for programs; `docs/doctor.md` describes it.
///
/// # Errors
/// None that can happen: it is text and numbers.
pub(crate) fn json(state: &ClusterState, findings: &[Finding]) -> serde_json::Result<String> {
    let brokers = state.brokers.iter();
    let topics = state.topics.iter();
    serde_json::to_string_pretty(&Json {
        format: 1,
        verdict: Verdict::of(findings),
        brokers: &state.ours.brokers,
        cluster: Cluster {
            id: state.cluster.as_deref(),
            brokers: brokers
                .map(|broker| Address { id: broker.id, host: &broker.host, port: broker.port })
                .collect(),
            topics: topics
                .map(|topic| Shape {
                    name: &topic.name,
                    partitions: topic.partitions().map(<[_]>::len),
                })
                .collect(),
        },
        findings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::rules::judge;
    use crate::doctor::rules::sample::{good, set};
    use crate::doctor::state::Role;
    use crate::queue::inspect::Trouble;
    use crate::queue::{Resource, Right};

    #[test]
    fn the_worst_finding_decides() {
        let check = |severities: &[Severity], expected: u8| {
            let finding = |severity: &Severity| Finding::new(*severity, "x", "x", ("x", "x"), "x");
            let findings: Vec<Finding> = severities.iter().map(finding).collect();
            assert_eq!(Verdict::of(&findings).exit_code(), expected, "{severities:?}");
        };
        check(&[], 0);
        check(&[Severity::Note, Severity::Advice, Severity::Warning], 0);
        check(&[Severity::Note, Severity::Blind], 2);
        check(&[Severity::Blind, Severity::Danger], 1);
    }

    #[test]
    fn a_report_is_as_reviewed() {
        let mut state = good();
        set(&mut state, Role::Ratings, "min.insync.replicas", "1");
        set(&mut state, Role::DeadLetters, "cleanup.policy", "compact");
        set(&mut state, Role::Ratings, "retention.bytes", "1000");
        let name = "totals".to_owned();
        let right = Right { operation: "DescribeConfigs", resource: Resource::Topic, name };
        let what = "read the settings of topic totals".to_owned();
        let reason = "the broker shows none of them".to_owned();
        state.topics[1].settings = Err(Trouble { what, reason, missing: Some(right) });
        insta::assert_snapshot!(text(&state, &judge(&state)));
    }

    #[test]
    fn a_cluster_with_nothing_to_say_about_says_so() {
        let state = good();
        let text = text(&state, &judge(&state));
        assert!(text.ends_with("(0 warnings, 0 pieces of advice and 0 notes)"), "{text}");
    }
}
