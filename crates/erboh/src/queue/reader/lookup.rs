//! Lookups: questions about topics that a reader asks besides its reading.
//!
//! ```text
//!   partitions, watermarks, ends ─► what is there      committed ─► what the group has noted down
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};

use super::{Reader, list};
use crate::queue::limits;
use crate::queue::log;
use crate::queue::rights::Right;

/// A question that was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the {what} of topic {topic}: {reason}")]
pub struct LookupError {
    what: &'static str,
    topic: String,
    reason: String,
    /// What is wrong with the log.
    pub fault: Option<Fault>,
}

/// What is wrong with a log that a broker answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The records from this offset on are there and cannot be read.
    Unreadable(i64),
    /// The log begins behind this offset, or ends before it.
    OutOfRange(i64),
}

impl LookupError {
    /// The cause alone, without what was asked.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl Reader {
    /// The number of partitions of a topic, 0 if it does not exist.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn partitions(&self, topic: &str) -> Result<i32, LookupError> {
        let metadata = self
            .consumer
            .fetch_metadata(Some(topic), lookup())
            .map_err(|error| self.failed("partitions", topic, &error))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        Ok(found.map_or(0, |found| found.partitions().len() as i32))
    }

    /// The first offset of a partition and the one after its last (committed) record.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn watermarks(&self, topic: &str, partition: i32) -> Result<(i64, i64), LookupError> {
        self.consumer
            .fetch_watermarks(topic, partition, lookup())
            .map_err(|error| self.failed("watermarks", topic, &error))
    }

    /// The ends of the partitions 0 to `partitions` - 1, of all in one question.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn ends(&self, topic: &str, partitions: i32) -> Result<BTreeMap<i32, i64>, LookupError> {
        let mut ends = list(topic, 0..partitions);
        ends.set_all_offsets(Offset::End)
            .and_then(|()| self.consumer.offsets_for_times(ends, lookup()))
            .map(|ends| offsets(&ends))
            .map_err(|error| self.failed("ends", topic, &error))
    }

    /// What the group has committed for a partition.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn committed(&self, topic: &str, partition: i32) -> Result<Option<i64>, LookupError> {
        self.consumer
            .committed_offsets(list(topic, [partition]), lookup())
            .map(|list| offsets(&list).remove(&partition))
            .map_err(|error| self.failed("committed offsets", topic, &error))
    }

    /// Why a question was not answered: the right that is missing, or what is wrong with the brokers.
    fn failed(&self, what: &'static str, topic: &str, error: &KafkaError) -> LookupError {
        let reason = match error.rdkafka_error_code() {
            Some(Code::TopicAuthorizationFailed) => {
                Right::on_topic("Describe", topic).missing(self.settings())
            }
            Some(Code::GroupAuthorizationFailed) => {
                Right::on_group("Describe", self.group()).missing(self.settings())
            }
            _ => self.why(&log::reason(error)),
        };
        failed(what, topic, reason)
    }
}

pub(super) fn lookup() -> Duration {
    Duration::from_millis(limits::LOOKUP_TIMEOUT_MS)
}

pub(super) fn failed(what: &'static str, topic: &str, reason: String) -> LookupError {
    LookupError { what, topic: topic.into(), reason, fault: None }
}

/// Something is wrong with the log.
pub(super) fn faulty(topic: &str, fault: Fault, reason: String) -> LookupError {
    LookupError { fault: Some(fault), ..failed("records", topic, reason) }
}

/// The plain offsets of a list; partitions with an error or a symbolic offset are left out.
fn offsets(list: &TopicPartitionList) -> BTreeMap<i32, i64> {
    let known = |element: &TopicPartitionListElem<'_>| {
        let Offset::Offset(offset) = element.offset() else { return None };
        element.error().ok().map(|()| (element.partition(), offset))
    };
    list.elements().iter().filter_map(known).collect()
}
