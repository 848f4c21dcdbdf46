//! Shape: whether the topics exist, fit each other, and take and keep what erboh writes.

use super::source;
use crate::doctor::finding::{Finding, Fix, Severity, set_on_topic, tool};
use crate::doctor::state::{ClusterState, Role, Topic};
use crate::limits::SNAPSHOT_BYTES_MAX;

/// Bytes of the largest batch that a writer sends: librdkafka's `batch.size`, and its header.
const BATCH_BYTES_MAX: i64 = 1_000_100;

/// A rating waits this long for its broker at most, in milliseconds, and clocks differ by seconds;
/// a topic that takes only younger timestamps refuses ratings that are well.
const TIMESTAMP_BOUND_MS: i64 = 600_000;

/// Bytes of a segment of the totals beyond which old snapshots pile up: only closed segments are
/// compacted.
const TOTALS_SEGMENT_BYTES: i64 = 256 * 1024 * 1024;

pub(super) fn judge(state: &ClusterState) -> Vec<Finding> {
    let mut findings = Vec::new();
    for topic in &state.topics {
        findings.extend(missing(state, topic));
        findings.extend(cleanup(state, topic));
        findings.extend(message_bytes(state, topic));
        findings.extend(timestamps(state, topic));
        findings.extend(compression(state, topic));
    }
    findings.extend(partitions(state));
    findings.extend(compaction(state));
    findings
}

/// A finding about a setting of a topic, with its value.
pub(super) fn about(
    severity: Severity,
    check: &'static str,
    topic: &Topic,
    name: &str,
    why: impl Into<String>,
) -> Finding {
    let setting = topic.setting(name);
    let value = setting.map_or("", |setting| setting.value.as_str());
    let finding = Finding::new(severity, check, topic.subject(), (name, value), why);
    match setting {
        Some(setting) => finding.from(source(setting.source)),
        None => finding,
    }
}

fn missing(state: &ClusterState, topic: &Topic) -> Option<Finding> {
    if topic.copies != Ok(None) {
        return None;
    }
    let why =
        "a role creates it with the right shape when it starts, if its user may create topics";
    let setting = ("exists", "no");
    let finding = Finding::new(Severity::Note, "topic-missing", topic.subject(), setting, why);
    let ratings = state.topic(Role::Ratings).and_then(Topic::partitions).map(<[_]>::len);
    let partitions = ratings.unwrap_or(6);
    let (config, yaml) = match topic.role {
        Role::Ratings => ("cleanup.policy=delete", "cleanup.policy: delete".to_owned()),
        Role::Totals => (
            "cleanup.policy=compact",
            format!("cleanup.policy: compact, max.message.bytes: {SNAPSHOT_BYTES_MAX}"),
        ),
        Role::DeadLetters => {
            ("cleanup.policy=[compact,delete]", "cleanup.policy: \"compact,delete\"".to_owned())
        }
    };
    // kafka-topics.sh takes one setting per --config, and a list without brackets.
    let config = config.replace(['[', ']'], "");
    let size = match topic.role {
        Role::Totals => format!(" --config max.message.bytes={SNAPSHOT_BYTES_MAX}"),
        _ => String::new(),
    };
    let arguments = format!(
        "--create --topic {} --partitions {partitions} --config {config}{size}",
        topic.name
    );
    let merge = format!("spec: {{partitions: {partitions}, config: {{{yaml}}}}}");
    Some(
        finding
            .fix(tool(state, "kafka-topics.sh", &arguments))
            .fix(Fix::Yaml { resource: format!("KafkaTopic/{}", topic.name), merge }),
    )
}

fn partitions(state: &ClusterState) -> Option<Finding> {
    let (ratings, totals) = (state.topic(Role::Ratings)?, state.topic(Role::Totals)?);
    let (wanted, found) = (ratings.partitions()?.len(), totals.partitions()?.len());
    let finding = |severity, why: String| {
        let value = format!("{found}, {} has {wanted}", ratings.name);
        Finding::new(severity, "partitions", totals.subject(), ("partitions", value), why)
    };
    if found < wanted {
        let why = format!(
            "the totals of ratings partition p are kept in totals partition p, so the ratings from \
             partition {found} on cannot be counted until a consumer adds the others"
        );
        let arguments = format!("--alter --topic {} --partitions {wanted}", totals.name);
        let yaml = Fix::Yaml {
            resource: format!("KafkaTopic/{}", totals.name),
            merge: format!("spec: {{partitions: {wanted}}}"),
        };
        let finding = finding(Severity::Warning, why);
        return Some(finding.fix(tool(state, "kafka-topics.sh", &arguments)).fix(yaml));
    }
    (found > wanted).then(|| {
        finding(
            Severity::Warning,
            "totals of partitions that the ratings do not have stay on the board for ever, if \
             they were ever counted: the ratings were made anew with fewer partitions"
                .to_owned(),
        )
        .advise(format!(
            "if so, stop the consumers, delete topic {} and start them again: they count what is \
             there. Do not add partitions to the ratings for this: ids would move to other \
             partitions, and a retry across that moment would count twice",
            totals.name
        ))
    })
}

fn cleanup(state: &ClusterState, topic: &Topic) -> Option<Finding> {
    let name = "cleanup.policy";
    let value = &topic.setting(name)?.value;
    let mut policies: Vec<&str> = value.split(',').map(str::trim).collect();
    policies.sort_unstable();
    let (wanted, severity, why) = match (topic.role, policies.as_slice()) {
        (Role::Ratings, ["delete"])
        | (Role::Totals, ["compact"])
        | (Role::DeadLetters, ["compact", "delete"]) => return None,
        (Role::Ratings, _) => (
            "delete",
            Severity::Danger,
            "compaction removes ratings with the same key, counted or not, and a recount of what \
             is left gives other totals",
        ),
        (Role::Totals, _) => (
            "compact",
            Severity::Danger,
            "deletion by age takes the totals of a partition without new ratings; consumers \
             refuse to start on it",
        ),
        (Role::DeadLetters, ["delete"]) => (
            "compact,delete",
            Severity::Note,
            "a dead letter that was written twice, as happens after a crash, stays there twice",
        ),
        (Role::DeadLetters, _) => {
            ("compact,delete", Severity::Advice, "dead letters are never deleted")
        }
    };
    let finding = about(severity, "cleanup-policy", topic, name, why);
    Some(finding.fix_all(set_on_topic(state, topic, name, wanted)))
}

fn message_bytes(state: &ClusterState, topic: &Topic) -> Option<Finding> {
    let name = "max.message.bytes";
    let (needed, why) = match topic.role {
        Role::Totals => (
            SNAPSHOT_BYTES_MAX as i64,
            "a snapshot of 10,000 voices with long names does not fit: that partition would be \
             paused until it does",
        ),
        Role::Ratings => (
            BATCH_BYTES_MAX,
            "under load ratings travel in batches of up to 1 MB, and a batch that is too large is \
             refused as a whole",
        ),
        Role::DeadLetters => (
            BATCH_BYTES_MAX,
            "a dead letter that does not fit keeps its partition from being counted further",
        ),
    };
    if topic.number(name)? >= needed {
        return None;
    }
    let wanted = needed.max(1_048_588).to_string();
    let finding = about(Severity::Warning, "message-bytes", topic, name, why);
    Some(finding.fix_all(set_on_topic(state, topic, name, &wanted)))
}

fn timestamps(state: &ClusterState, topic: &Topic) -> Vec<Finding> {
    let broker_time = "LogAppendTime";
    if topic.setting("message.timestamp.type").is_some_and(|setting| setting.value == broker_time) {
        let why = "records carry the time at which the broker got them; totals are the same";
        let finding = about(Severity::Note, "timestamp-type", topic, "message.timestamp.type", why);
        return if topic.role == Role::Ratings { vec![finding] } else { Vec::new() };
    }
    let bounds = [
        "message.timestamp.after.max.ms",
        "message.timestamp.before.max.ms",
        "message.timestamp.difference.max.ms",
    ];
    let narrow = bounds
        .into_iter()
        .filter(|name| topic.number(name).is_some_and(|bound| bound < TIMESTAMP_BOUND_MS));
    let finding = |name| {
        let why = "the broker refuses records whose time is further from its own: a producer \
                   whose clock is off, or whose ratings waited for a broker, cannot write";
        about(Severity::Warning, "timestamp-bounds", topic, name, why)
            .fix_all(set_on_topic(state, topic, name, "3600000"))
    };
    narrow.map(finding).collect()
}

fn compression(state: &ClusterState, topic: &Topic) -> Option<Finding> {
    let name = "compression.type";
    topic.setting(name).filter(|setting| setting.value != "producer")?;
    let why = "the broker unpacks and packs every batch again; it costs its processor time, and \
               changes no total";
    let finding = about(Severity::Note, "compression", topic, name, why);
    Some(finding.fix_all(set_on_topic(state, topic, name, "producer")))
}

/// Take-over reads the end of the totals only, so this is about disk space and about older
/// snapshots that are still to be found.
fn compaction(state: &ClusterState) -> Vec<Finding> {
    let Some(topic) = state.topic(Role::Totals) else { return Vec::new() };
    let mut findings = Vec::new();
    let too_large = topic.number("segment.bytes").is_some_and(|bytes| bytes > TOTALS_SEGMENT_BYTES);
    let rarely = topic.number("segment.ms").is_some_and(|ms| ms > 86_400_000);
    if too_large && rarely {
        let why = "only closed segments are compacted: old snapshots fill the disk, and whoever \
                   looks for an older snapshot reads them all";
        let finding = about(Severity::Advice, "compaction", topic, "segment.bytes", why);
        let set = set_on_topic(state, topic, "segment.bytes", &(32 * 1024 * 1024).to_string());
        findings.push(finding.fix_all(set));
    }
    let dirty = topic.setting("min.cleanable.dirty.ratio");
    if dirty.is_some_and(|dirty| dirty.value.parse().is_ok_and(|ratio: f64| ratio > 0.9)) {
        let name = "min.cleanable.dirty.ratio";
        let why = "compaction hardly ever runs, so old snapshots fill the disk";
        let finding = about(Severity::Advice, "compaction", topic, name, why);
        findings.push(finding.fix_all(set_on_topic(state, topic, name, "0.5")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::rules::sample::{check, set};

    /// What one setting of one topic leads to.
    #[track_caller]
    fn with(role: Role, name: &str, value: &str, expected: &[(&str, Severity)]) {
        check(judge, |state| set(state, role, name, value), expected);
    }

    #[test]
    fn a_topic_that_is_missing_is_a_note() {
        let missing = ("topic-missing", Severity::Note);
        check(judge, |state| state.topics[2].copies = Ok(None), &[missing]);
    }

    #[test]
    fn partitions_must_be_equal() {
        let totals = |count: usize| {
            move |state: &mut ClusterState| {
                let copies = state.topics[1].copies.as_mut().unwrap().as_mut().unwrap();
                let last = copies[2].clone();
                copies.resize(count, last);
            }
        };
        check(judge, totals(3), &[]);
        check(judge, totals(2), &[("partitions", Severity::Warning)]);
        check(judge, totals(4), &[("partitions", Severity::Warning)]);
    }

    #[test]
    fn every_topic_has_its_policy() {
        let policy = |role, value, severity: Option<Severity>| {
            let expected: Vec<_> = severity.map(|s| ("cleanup-policy", s)).into_iter().collect();
            with(role, "cleanup.policy", value, &expected);
        };
        policy(Role::Ratings, "delete", None);
        policy(Role::Ratings, "compact", Some(Severity::Danger));
        policy(Role::Ratings, "compact,delete", Some(Severity::Danger));
        policy(Role::Totals, "compact", None);
        policy(Role::Totals, "delete", Some(Severity::Danger));
        policy(Role::Totals, "compact,delete", Some(Severity::Danger));
        policy(Role::DeadLetters, "delete, compact", None);
        policy(Role::DeadLetters, "delete", Some(Severity::Note));
        policy(Role::DeadLetters, "compact", Some(Severity::Advice));
    }

    #[test]
    fn messages_must_fit() {
        let warning = [("message-bytes", Severity::Warning)];
        let name = "max.message.bytes";
        with(Role::Totals, name, &SNAPSHOT_BYTES_MAX.to_string(), &[]);
        with(Role::Totals, name, &(SNAPSHOT_BYTES_MAX - 1).to_string(), &warning);
        with(Role::Ratings, name, "1000100", &[]);
        with(Role::Ratings, name, "1000099", &warning);
        with(Role::DeadLetters, name, "1000099", &warning);
    }

    #[test]
    fn timestamps_must_not_refuse_ratings() {
        let warning = [("timestamp-bounds", Severity::Warning)];
        for name in ["message.timestamp.after.max.ms", "message.timestamp.before.max.ms"] {
            with(Role::Ratings, name, "600000", &[]);
            with(Role::Ratings, name, "599999", &warning);
        }
        let append = ("timestamp-type", Severity::Note);
        with(Role::Ratings, "message.timestamp.type", "LogAppendTime", &[append]);
        with(Role::Totals, "message.timestamp.type", "LogAppendTime", &[]);
        with(Role::Ratings, "compression.type", "gzip", &[("compression", Severity::Note)]);
    }

    #[test]
    fn totals_that_are_hardly_compacted_are_named() {
        let advice = [("compaction", Severity::Advice)];
        let large = |ms: &'static str| {
            move |state: &mut ClusterState| {
                set(state, Role::Totals, "segment.bytes", "1073741824");
                set(state, Role::Totals, "segment.ms", ms);
            }
        };
        check(judge, large("86400000"), &[]);
        check(judge, large("86400001"), &advice);
        with(Role::Totals, "min.cleanable.dirty.ratio", "0.9", &[]);
        with(Role::Totals, "min.cleanable.dirty.ratio", "0.95", &advice);
    }
}
