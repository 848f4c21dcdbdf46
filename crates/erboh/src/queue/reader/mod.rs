//! Reader: reads chosen partitions in offset order. It belongs to no group.
//!
//! ```text
//!   add(topic, partition, offset) ─► poll() ─► Record … Record, End(partition), Record …
//!                                      │
//!                                      ├─► Lost: the log is another one, or not there any more
//!                                      ├─► Unreadable: records are there and cannot be read
//!                                      ├─► OutOfRange: an offset is not in the log (any more), perhaps
//!                                      ├─► Interrupted: the log may have another end from here on
//!                                      ├─► Denied: a right is missing
//!                                      └─► Problem: a reason; the reader goes on by itself
//!   progress(topic) ─► per partition: how far everything has been delivered, and where the log ends
//! ```

mod lookup;
mod range;
mod signals;

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};

use self::lookup::failed;
pub use self::lookup::{Fault, LookupError};
use self::signals::Signals;
use super::limits;
use super::log;
use super::progress::Position;
use super::record::Record;
use super::refusal::Explainer;
use super::rights::Right;
use super::settings::{KafkaSettings, SettingsError};

/// What a poll brings.
pub enum Event<'a> {
    /// A record.
    Record(Record<'a>),
    /// Everything of this partition has been delivered for now.
    End(i32),
    /// The log of some partition is another one, or not there: every partition of the topic must be removed and added
    /// again before the next poll.
    Lost(String),
    /// Records of some partition are there and cannot be read, for this reason. The client does not say of which
    /// partition, and what it gives next may stand behind them: every partition must be removed before the next poll,
    /// and added again where [`Reader::range`] finds nothing wrong.
    Unreadable(String),
    /// The position of some partition is not in its log, and nothing more comes of it; or was not in it, of one that
    /// has been removed since. To be treated like [`Event::Unreadable`].
    OutOfRange(String),
    /// A connection was lost, or another broker leads: what comes next may belong to a log that was
    /// cut off behind something already delivered. Every partition must be removed and added anew
    /// before the next poll, best at a record that can be compared.
    Interrupted,
    /// The user may not read the topic: the right that is missing. The reader goes on trying.
    Denied(String),
    /// Something that the reader gets over by itself, or cannot mend.
    Problem(String),
}

/// Reads chosen partitions. It blocks its thread: give it one of its own.
pub struct Reader {
    consumer: BaseConsumer<Signals>,
    signals: Signals,
    explainer: Explainer,
    group: String,
    fetch_wait_ms: u64,
}

impl Reader {
    /// A reader that reads nothing yet. The `group` is only a name towards the broker (and where
    /// [`Reader::committed`] looks); the reader does not join it.
    ///
    /// # Errors
    /// Only settings that librdkafka does not take.
    pub fn connect(settings: &KafkaSettings, group: &str) -> Result<Self, SettingsError> {
        Self::create(settings, group, limits::FETCH_WAIT_MS)
    }

    fn create(
        settings: &KafkaSettings,
        group: &str,
        fetch_wait_ms: u64,
    ) -> Result<Self, SettingsError> {
        let choices = [
            ("queued.max.messages.kbytes", limits::READER_QUEUE_KBYTES.to_string()),
            ("fetch.message.max.bytes", limits::FETCH_PARTITION_BYTES.to_string()),
            ("fetch.wait.max.ms", fetch_wait_ms.to_string()),
            ("fetch.queue.backoff.ms", limits::FETCH_BACKOFF_MS.to_string()),
            ("topic.metadata.refresh.interval.ms", limits::METADATA_REFRESH_MS.to_string()),
            ("check.crcs", "true".into()),
        ];
        let choices: Vec<(&str, &str)> = choices.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let progress = limits::PROGRESS_MS.to_string();
        // librdkafka goes on at the same offset of a topic that was made anew, and of a log that a
        // broker lost while it was away; it says so only in these parts of its debug log.
        let debug = settings.debug("topic,broker");
        let demands = [
            ("debug", debug.as_str()),
            ("group.id", group),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            ("enable.partition.eof", "true"),
            ("allow.auto.create.topics", "false"),
            ("statistics.interval.ms", &progress),
        ];
        let signals = Signals::default();
        let consumer = settings
            .client(&choices, &demands)
            .set_log_level(RDKafkaLogLevel::Debug)
            .create_with_context(signals.clone())
            .map_err(|error| SettingsError(error.to_string()))?;
        let (explainer, group) = (Explainer::new(settings), group.to_owned());
        Ok(Self { consumer, signals, explainer, group, fetch_wait_ms })
    }

    /// Begins with a new client that reads nothing yet. librdkafka ignores metadata with a smaller
    /// leader epoch than it has seen, which is what a topic made anew and a cluster out of a backup
    /// have: only a client that has seen nothing finds its way there.
    pub fn renew(&mut self) {
        match Self::create(self.settings(), &self.group, self.fetch_wait_ms) {
            Ok(new) => {
                let old = std::mem::replace(self, new);
                // Closing waits for the client's threads, and nobody needs to wait for that.
                let _ = std::thread::Builder::new().name("reader-close".into()).spawn(|| drop(old));
            }
            Err(error) => tracing::warn!(%error, "the reader keeps its client"),
        }
    }

    /// Reads `partition` from `offset` on.
    ///
    /// # Errors
    /// When librdkafka refuses, for example because the partition is read already.
    pub fn add(&self, topic: &str, partition: i32, offset: i64) -> Result<(), LookupError> {
        self.find_leaders(topic);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset))
            .and_then(|()| self.consumer.incremental_assign(&list))
            .map_err(|error| failed("partition", topic, log::reason(&error)))
    }

    /// Asks who leads the partitions of a topic of which nothing is read yet. librdkafka would find
    /// out by itself, but only when it next looks through its topics, which it does once a second.
    fn find_leaders(&self, topic: &str) {
        let of_topic = |element: &TopicPartitionListElem<'_>| element.topic() == topic;
        let assigned = self.consumer.assignment();
        if assigned.is_ok_and(|assigned| assigned.elements().iter().any(of_topic)) {
            return;
        }
        let timeout = Duration::from_millis(limits::LEADERS_MS);
        if let Err(error) = self.consumer.fetch_metadata(Some(topic), timeout) {
            tracing::debug!(%error, topic, "the leaders are not known yet");
        }
    }

    /// Stops reading `partition`. What was fetched of it is thrown away.
    pub fn remove(&self, topic: &str, partition: i32) {
        // A pause would outlive the removal, and the partition say nothing when it is added again.
        if let Err(error) = self.resume(topic, partition) {
            tracing::debug!(%error, topic, partition, "nothing to go on with");
        }
        if let Err(error) = self.consumer.incremental_unassign(&list(topic, [partition])) {
            tracing::debug!(%error, topic, partition, "nothing to stop reading");
        }
    }

    /// Fetches nothing more of `partition` until [`Reader::resume`]. What was fetched is thrown
    /// away and will be fetched again.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn pause(&self, topic: &str, partition: i32) -> Result<(), LookupError> {
        let done = self.consumer.pause(&list(topic, [partition]));
        done.map_err(|error| failed("partition", topic, log::reason(&error)))
    }

    /// Goes on with a partition that was paused.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn resume(&self, topic: &str, partition: i32) -> Result<(), LookupError> {
        let done = self.consumer.resume(&list(topic, [partition]));
        done.map_err(|error| failed("partition", topic, log::reason(&error)))
    }

    /// The next thing that happens, within `timeout`. Nothing means that everything that was fetched
    /// before has been delivered.
    #[must_use]
    pub fn poll(&self, timeout: Duration) -> Option<Event<'_>> {
        let polled = self.next(timeout);
        if let Some(event) = self.signals.event() {
            return Some(event);
        }
        match polled? {
            Ok(message) => Some(Event::Record(Record(message))),
            Err(KafkaError::PartitionEOF(partition)) => {
                self.signals.forget_progress(partition);
                Some(Event::End(partition))
            }
            Err(error) => {
                let reason = self.signals.last_error();
                let reason = if reason.is_empty() { log::reason(&error) } else { reason };
                match error.rdkafka_error_code() {
                    Some(
                        Code::UnknownTopicOrPartition
                        | Code::UnknownTopic
                        | Code::UnknownPartition
                        | Code::UnknownTopicId,
                    ) => Some(Event::Lost(reason)),
                    // librdkafka forgets these of a partition that is removed last of all: unlike all else they are
                    // not dropped then. And it gets out of range by itself, behind a batch with a wrong checksum.
                    Some(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation) => {
                        Some(Event::OutOfRange(reason))
                    }
                    // A wrong checksum, junk where compressed records should be, a format that is none, or a broker
                    // that found out by itself. librdkafka goes on somewhere behind it.
                    Some(
                        Code::BadMessage
                        | Code::BadCompression
                        | Code::NotImplemented
                        | Code::InvalidMessage,
                    ) => Some(Event::Unreadable(reason)),
                    Some(Code::TopicAuthorizationFailed) => {
                        Some(Event::Denied(self.missing_read()))
                    }
                    _ => Some(Event::Problem(reason)),
                }
            }
        }
    }

    /// Takes what the client reports while nothing is read. It keeps every report and every line of its log until
    /// somebody takes it, however many there are: megabytes an hour, and whoever reads next would have to wait for
    /// all of them.
    pub fn idle(&self) {
        let _ = self.next(Duration::ZERO);
    }

    /// The client also gives nothing after it has handled a report, a line of its log or a token,
    /// although records may stand behind that. Its queue is empty only if it gives nothing twice
    /// and has handled nothing for us in between.
    fn next(&self, timeout: Duration) -> Option<Result<BorrowedMessage<'_>, KafkaError>> {
        let (mut timeout, mut quiet) = (timeout, false);
        loop {
            let polled = self.consumer.poll(timeout);
            if polled.is_some() {
                return polled;
            }
            let heard = self.signals.take_heard();
            if quiet && !heard {
                return None;
            }
            (timeout, quiet) = (Duration::ZERO, !heard);
        }
    }

    /// Where the reader is in a topic: of each partition what was reported since the last call and
    /// since its last [`Event::End`].
    #[must_use]
    pub fn progress(&self, topic: &str) -> Option<BTreeMap<i32, Position>> {
        self.signals.take_progress()?.topics.remove(topic)
    }

    /// The reason why no broker is reachable, if none is.
    #[must_use]
    pub fn down(&self) -> Option<String> {
        self.signals.down().map(|reason| self.why(&reason))
    }

    /// What is behind a reason that librdkafka gives.
    fn why(&self, reason: &str) -> String {
        self.explainer.explain(reason).text
    }

    /// The right to read what is read, as the client does not say which topic it is about.
    fn missing_read(&self) -> String {
        let assigned = self.consumer.assignment();
        let topics = assigned.map(|list| list.elements().first().map(|e| e.topic().to_owned()));
        let topic = topics.ok().flatten().unwrap_or_default();
        Right::on_topic("Read", &topic).missing(self.settings())
    }

    fn settings(&self) -> &KafkaSettings {
        self.explainer.settings()
    }

    fn group(&self) -> &str {
        &self.group
    }
}

fn list(topic: &str, partitions: impl IntoIterator<Item = i32>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topic, partition);
    }
    list
}

#[cfg(test)]
mod tests;
