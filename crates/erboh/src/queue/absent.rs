//! Absent: why a topic is not to be seen. One that must not be seen looks like one that is not there.

use super::probe;
use super::rights::Right;
use super::settings::KafkaSettings;

/// Why a topic is not to be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// The reason, and what is waited for.
    pub reason: String,
    /// Whether a right is missing, which only a person can grant.
    pub hidden: bool,
}

impl Absent {
    /// Asks the cluster about a topic that it did not list. Blocks its thread.
    #[must_use]
    pub fn look(settings: &KafkaSettings, topic: &str) -> Self {
        if probe::is_hidden(settings, topic) == Some(true) {
            let reason = Right::on_topic("Describe", topic).missing(settings);
            return Self { reason, hidden: true };
        }
        let reason = format!(
            "topic {topic} does not exist on {}: waiting for it; a role creates it at its start, \
             unless --manage-topics is false",
            settings.brokers
        );
        Self { reason, hidden: false }
    }
}
