//! Retention: whether ratings stay long enough to be counted after an outage.

use super::duration;
use super::shape::about;
use crate::doctor::finding::{Finding, Severity, set_on_topic};
use crate::doctor::state::{ClusterState, Role};

const DAY_MS: i64 = 86_400_000;

/// Shorter than this, and a consumer that dies in the evening has lost ratings in the morning.
const NIGHT_MS: i64 = DAY_MS;

/// Shorter than this, and the same happens over a weekend.
const WEEKEND_MS: i64 = 3 * DAY_MS;

/// Kafka's own default, and what roles create.
const WEEK: &str = "604800000";

pub(super) fn judge(state: &ClusterState) -> Vec<Finding> {
    let findings = [by_age(state), by_size(state), dead_letters(state)];
    findings.into_iter().flatten().collect()
}

fn by_age(state: &ClusterState) -> Option<Finding> {
    let topic = state.topic(Role::Ratings)?;
    let name = "retention.ms";
    let ms = topic.number(name)?;
    let (severity, why) = match ms {
        ..0 => (
            Severity::Note,
            "ratings are kept for ever, so a recount from the first one is always possible; the \
             disks must have room for them"
                .to_owned(),
        ),
        0..NIGHT_MS => (
            Severity::Danger,
            format!("consumers that are down for {} lose uncounted ratings", duration(ms)),
        ),
        NIGHT_MS..WEEKEND_MS => (
            Severity::Warning,
            format!("consumers that are down for {} lose uncounted ratings", duration(ms)),
        ),
        _ => return None,
    };
    let finding = about(severity, "retention-time", topic, name, why);
    Some(match ms {
        ..0 => finding,
        _ => finding.fix_all(set_on_topic(state, topic, name, WEEK)),
    })
}

fn by_size(state: &ClusterState) -> Option<Finding> {
    let topic = state.topic(Role::Ratings)?;
    let name = "retention.bytes";
    topic.number(name).filter(|bytes| *bytes >= 0)?;
    let why = "a burst of ratings pushes older ones out, counted or not, however young they are";
    let finding = about(Severity::Warning, "retention-size", topic, name, why);
    Some(finding.fix_all(set_on_topic(state, topic, name, "-1")))
}

fn dead_letters(state: &ClusterState) -> Option<Finding> {
    let topic = state.topic(Role::DeadLetters)?;
    let name = "retention.ms";
    topic.number(name).filter(|ms| (0..WEEKEND_MS).contains(ms))?;
    let why = "dead letters go before a person who was away for a weekend has seen them";
    let finding = about(Severity::Advice, "retention-time", topic, name, why);
    Some(finding.fix_all(set_on_topic(state, topic, name, "2592000000")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::rules::sample::{checks, good, set};

    #[track_caller]
    fn check(role: Role, name: &str, value: i64, expected: &[(&str, Severity)]) {
        let mut state = good();
        set(&mut state, role, name, &value.to_string());
        assert_eq!(checks(&judge(&state)), expected, "{name}={value}");
    }

    #[test]
    fn ratings_must_outlive_an_outage() {
        let found = |severity| [("retention-time", severity)];
        let check = |value, expected: &[_]| check(Role::Ratings, "retention.ms", value, expected);
        check(-1, &found(Severity::Note));
        check(0, &found(Severity::Danger));
        check(NIGHT_MS - 1, &found(Severity::Danger));
        check(NIGHT_MS, &found(Severity::Warning));
        check(WEEKEND_MS - 1, &found(Severity::Warning));
        check(WEEKEND_MS, &[]);
    }

    #[test]
    fn size_and_dead_letters_are_looked_at() {
        check(Role::Ratings, "retention.bytes", -1, &[]);
        check(Role::Ratings, "retention.bytes", 0, &[("retention-size", Severity::Warning)]);
        check(Role::DeadLetters, "retention.ms", WEEKEND_MS, &[]);
        check(Role::DeadLetters, "retention.ms", -1, &[]);
        let advice = [("retention-time", Severity::Advice)];
        check(Role::DeadLetters, "retention.ms", WEEKEND_MS - 1, &advice);
    }
}
