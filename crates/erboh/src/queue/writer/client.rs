//! Client: one producing client of librdkafka.
//!
//! librdkafka does not say through its Rust binding whether a record that timed out was ever
//! sent. So the question is asked beforehand: while no broker is reachable nothing is handed to
//! librdkafka, and "not written" is certain. What was handed over and then timed out is unknown.

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::producer::ThreadedProducer;

use super::signals::Signals;
use crate::queue::limits;
use crate::queue::settings::{KafkaSettings, SettingsError};

/// Why a client is replaced that looks for leaders where there are none.
pub(super) const OUTDATED: &str = "the topic was made anew, or nothing was acknowledged for long";

/// Creates the client.
pub(super) fn create(
    settings: &KafkaSettings,
    signals: Signals,
) -> Result<ThreadedProducer<Signals>, SettingsError> {
    let choices = [
        ("linger.ms", limits::LINGER_MS.to_string()),
        ("compression.type", "lz4".into()),
        ("message.timeout.ms", limits::MESSAGE_TIMEOUT_MS.to_string()),
        ("request.timeout.ms", limits::WRITE_REQUEST_TIMEOUT_MS.to_string()),
        ("queue.buffering.max.messages", limits::WRITER_QUEUE_RECORDS.to_string()),
        ("queue.buffering.max.kbytes", limits::WRITER_QUEUE_KBYTES.to_string()),
        ("message.max.bytes", limits::WRITER_MESSAGE_BYTES.to_string()),
        ("statistics.interval.ms", limits::WRITER_REPORT_MS.to_string()),
        ("topic.metadata.refresh.interval.ms", limits::METADATA_REFRESH_MS.to_string()),
    ];
    let choices: Vec<(&str, &str)> = choices.iter().map(|(k, v)| (*k, v.as_str())).collect();
    // Only the debug log says that a topic was made anew.
    let debug = settings.debug("topic");
    let demands = [
        ("acks", "all"),
        ("enable.idempotence", "true"),
        ("partitioner", "murmur2_random"),
        ("debug", debug.as_str()),
    ];
    settings
        .client(&choices, &demands)
        .set_log_level(RDKafkaLogLevel::Debug)
        .create_with_context(signals)
        .map_err(|error| SettingsError(error.to_string()))
}
