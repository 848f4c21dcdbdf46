//! What librdkafka says: as `tracing` events of the target `librdkafka`, and as reasons for people.

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Hands one log line of librdkafka on. Its informational lines are about its own inside, so they
/// appear at `debug`, and its debug lines at `trace`.
pub(super) fn forward(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::warn!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => {
            tracing::info!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Info => tracing::debug!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Debug => tracing::trace!(target: "librdkafka", facility, "{message}"),
    }
}

/// An error as a reason for people: librdkafka's description of its code, where it has one.
pub(super) fn reason(error: &KafkaError) -> String {
    error.rdkafka_error_code().map_or_else(|| error.to_string(), description)
}

/// A code in librdkafka's words, without the name that it has in the binding.
pub(super) fn description(code: RDKafkaErrorCode) -> String {
    let text = code.to_string();
    let description = text.split_once(" (").and_then(|(_, rest)| rest.strip_suffix(')'));
    let description = description.unwrap_or(&text);
    let side = ["Local: ", "Broker: "].iter().find_map(|side| description.strip_prefix(side));
    side.unwrap_or(description).to_owned()
}

/// Why a connection failed, without librdkafka's statistics behind it: they change with every try,
/// and the same reason should have the same text.
pub(super) fn lasting(reason: &str) -> &str {
    reason.split_once(" (after ").map_or(reason, |(reason, _)| reason)
}

/// The id of a topic that is not known yet.
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// What a log line says that nothing else says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sign<'a> {
    /// This topic was deleted and made anew.
    MadeAnew(&'a str),
    /// A connection ended, or another broker leads a partition: what is read next may come from a
    /// log with another end.
    Interrupted,
}

/// What a line of the debug log about topics and brokers says, if it is one that matters.
pub(super) fn sign(message: &str) -> Option<Sign<'_>> {
    if let Some((before, ids)) = message.split_once(" changed id from ") {
        let (_, topic) = before.rsplit_once("Topic ")?;
        return (!ids.starts_with(NO_ID)).then_some(Sign::MadeAnew(topic));
    }
    if message.ends_with(": Broker changed state UP -> DOWN") {
        return Some(Sign::Interrupted);
    }
    let (_, change) = message.split_once("]: leader ")?;
    let (before, after) = change.split_once(" -> leader ")?;
    let known = !before.ends_with(" epoch -1");
    (known && before != after).then_some(Sign::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_for_people() {
        let check = |error, expected: &str| assert_eq!(reason(&error), expected);
        check(
            KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut),
            "Message timed out",
        );
        check(
            KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition),
            "Unknown topic or partition",
        );
        check(KafkaError::Canceled, &KafkaError::Canceled.to_string());
        let failed = "127.0.0.1:1/1: Connect to ipv4#127.0.0.1:1 failed: Connection refused";
        let text =
            format!("{failed} (after 0ms in state CONNECT, 1 identical error(s) suppressed)");
        assert_eq!(lasting(&text), failed);
        assert_eq!(lasting(failed), failed);
    }

    #[test]
    fn tells_a_topic_made_anew_from_one_that_is_seen_for_the_first_time() {
        let line = |from| {
            format!("[thrd:main]: Topic ratings changed id from {from} to PAEDEKmxRkKxXhoHMbTHYg")
        };
        assert_eq!(sign(&line("lDKnD3rsRGGj0b1Wqz3pnQ")), Some(Sign::MadeAnew("ratings")));
        assert_eq!(sign(&line(NO_ID)), None);
        assert_eq!(sign("[thrd:main]: Topic ratings [0] Leader 1 Epoch 0"), None);
    }

    #[test]
    fn tells_an_interruption_from_what_goes_on() {
        let check = |line: &str, expected| assert_eq!(sign(line), expected, "{line}");
        let state = |change| format!("[thrd:b]: 127.0.0.1:1/1: Broker changed state {change}");
        check(&state("UP -> DOWN"), Some(Sign::Interrupted));
        check(&state("CONNECT -> DOWN"), None);
        let leader = |change| format!("[thrd:main]: ratings [0]: leader {change}");
        check(&leader("1 epoch 4 -> leader 2 epoch 5"), Some(Sign::Interrupted));
        check(&leader("1 epoch 4 -> leader 1 epoch 4"), None);
        check(&leader("-1 epoch -1 -> leader 1 epoch 4"), None);
    }
}
