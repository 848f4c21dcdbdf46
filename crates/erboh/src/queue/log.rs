//! What librdkafka says, as `tracing` events of the target `librdkafka`.

use rdkafka::config::RDKafkaLogLevel;

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

/// The id of a topic that is not known yet.
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// The topic of which a log line says that it was deleted and made anew.
pub(super) fn topic_made_anew(message: &str) -> Option<&str> {
    let (before, ids) = message.split_once(" changed id from ")?;
    let (_, topic) = before.rsplit_once("Topic ")?;
    (!ids.starts_with(NO_ID)).then_some(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_topic_made_anew_from_one_that_is_seen_for_the_first_time() {
        let line = |from| {
            format!("[thrd:main]: Topic ratings changed id from {from} to PAEDEKmxRkKxXhoHMbTHYg")
        };
        assert_eq!(topic_made_anew(&line("lDKnD3rsRGGj0b1Wqz3pnQ")), Some("ratings"));
        assert_eq!(topic_made_anew(&line(NO_ID)), None);
        assert_eq!(topic_made_anew("[thrd:main]: Topic ratings [0] Leader 1 Epoch 0"), None);
    }
}
