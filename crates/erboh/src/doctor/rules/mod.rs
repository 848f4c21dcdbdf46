//! The rules: pure functions from what was seen to findings.
//!
//! Each file holds the rules about one thing. A rule says nothing about what could not be seen;
//! that is [`access`]'s to say, once.

use super::finding::Finding;
use super::state::ClusterState;
use crate::queue::inspect::Source;

mod access;
mod advertised;
mod brokers;
mod client;
mod copies;
mod group;
mod retention;
#[cfg(test)]
pub(super) mod sample;
mod shape;

/// Everything there is to say about a cluster, worst first.
#[must_use]
pub(crate) fn judge(state: &ClusterState) -> Vec<Finding> {
    let rules = [
        advertised::judge,
        access::judge,
        brokers::judge,
        copies::judge,
        shape::judge,
        retention::judge,
        group::judge,
        client::judge,
    ];
    let mut findings: Vec<Finding> = rules.iter().flat_map(|rule| rule(state)).collect();
    // Stable, so that findings about one thing stay together.
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// Where a value comes from, in words.
fn source(source: Source) -> &'static str {
    match source {
        Source::Topic => "set on the topic",
        Source::Broker => "set on the broker",
        Source::AllBrokers => "set for all brokers",
        Source::File => "server.properties",
        Source::Default => "Kafka's default",
        Source::Unknown => "source not told",
    }
}

/// A duration in words that a person can weigh.
fn duration(ms: i64) -> String {
    let (minute, hour, day) = (60_000, 3_600_000, 86_400_000);
    match ms {
        ms if ms >= 2 * day => format!("{} days", ms / day),
        ms if ms >= 2 * hour => format!("{} hours", ms / hour),
        ms if ms >= 2 * minute => format!("{} minutes", ms / minute),
        ms => format!("{} s", ms / 1000),
    }
}

/// `1, 2 and 3` of numbers.
fn numbers(numbers: &[i32]) -> String {
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    match texts.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => texts.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::sample::documented;

    /// The other way round is looked at wherever a test looks at what a rule finds.
    #[test]
    fn every_documented_check_is_in_a_rule() {
        let rules = [
            include_str!("advertised.rs"),
            include_str!("access.rs"),
            include_str!("brokers.rs"),
            include_str!("copies.rs"),
            include_str!("shape.rs"),
            include_str!("retention.rs"),
            include_str!("group.rs"),
            include_str!("client.rs"),
        ];
        let without_tests = rules.map(|rule| rule.split("#[cfg(test)]").next().unwrap());
        let unknown = documented().filter(|name| {
            let quoted = format!("\"{name}\"");
            !without_tests.iter().any(|rule| rule.contains(&quoted))
        });
        assert_eq!(unknown.collect::<Vec<_>>(), [""; 0]);
        assert!(documented().any(|name| name == "min-insync"));
    }
}
