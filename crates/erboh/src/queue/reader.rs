//! Reader: reads chosen partitions in offset order. It belongs to no group.
//!
//! ```text
//!   add(topic, partition, offset) ─► poll() ─► Record … Record, End(partition), Record …
//!                                      │
//!                                      ├─► Lost: an offset is not in the log (any more)
//!                                      ├─► Interrupted: the log may have another end from here on
//!                                      ├─► Denied: a right is missing
//!                                      └─► Problem: a reason; the reader goes on by itself
//!   progress(topic) ─► per partition: how far everything has been delivered, and where the log ends
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};

use super::limits;
use super::log;
use super::lookup::{LookupError, failed, lookup};
use super::progress::{self, Position, Progress};
use super::record::Record;
use super::refusal::Explainer;
use super::rights::Right;
use super::settings::{KafkaSettings, SettingsError};
use super::stranded::{self, Stranded};

/// What a poll brings.
pub enum Event<'a> {
    /// A record.
    Record(Record<'a>),
    /// Everything of this partition has been delivered for now.
    End(i32),
    /// Some partition's position is not in its log, or its log is another one, or records of it came damaged and
    /// are left out: every partition of the topic must be removed and added anew before the next poll.
    Lost(String),
    /// A connection was lost, or another broker leads: what comes next may belong to a log that was
    /// cut off behind something already delivered. Every partition must be removed and added anew
    /// before the next poll, best at a record that can be compared.
    Interrupted,
    /// The user may not read the topic: the right that is missing. The reader goes on trying.
    Denied(String),
    /// Something that the reader gets over by itself, or cannot mend.
    Problem(String),
}

/// What to do about records that do not come as they were written.
const DAMAGED: &str = "records came damaged; if they come so again and again, let a broker with a whole copy lead \
                       the partition";

#[derive(Default)]
struct State {
    progress: Option<Progress>,
    /// The reason why no broker is reachable.
    down: Option<String>,
    last_error: String,
    /// A topic that was deleted and made anew under the same name.
    made_anew: Option<String>,
    interrupted: bool,
    stranded: Stranded,
    /// Something came that is no event.
    heard: bool,
}

impl State {
    /// Forgets what was reported of a partition before its end was delivered: the report may be
    /// about an earlier reading, even of a longer log.
    fn forget_progress(&mut self, partition: i32) {
        for positions in self.progress.iter_mut().flat_map(|progress| progress.topics.values_mut())
        {
            positions.remove(&partition);
        }
    }
}

#[derive(Clone, Default)]
pub(super) struct Signals(Arc<Mutex<State>>);

impl Signals {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Signals {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log::forward(level, facility, message);
        let mut state = self.lock();
        state.heard = true;
        match log::sign(message) {
            Some(log::Sign::MadeAnew(topic)) => state.made_anew = Some(topic.to_owned()),
            Some(log::Sign::Interrupted) => state.interrupted = true,
            None => {}
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        if code == Some(Code::PartitionEOF) {
            // An event like any other, and no reason for anything.
            return;
        }
        let mut state = self.lock();
        if code == Some(Code::AllBrokersDown) {
            let reason = state.last_error.clone();
            state.down = Some(if reason.is_empty() { "connection lost".into() } else { reason });
        } else {
            log::lasting(reason).clone_into(&mut state.last_error);
        }
    }

    fn stats_raw(&self, json: &[u8]) {
        let mut state = self.lock();
        state.heard = true;
        state.stranded.note(json, Instant::now());
        let Some(progress) = progress::parse(json) else { return };
        if progress.connected {
            state.down = None;
            // The next failure has reasons of its own.
            state.last_error.clear();
        }
        state.progress = Some(progress);
    }
}

impl ConsumerContext for Signals {}

/// Reads chosen partitions. It blocks its thread: give it one of its own.
pub struct Reader {
    pub(super) consumer: BaseConsumer<Signals>,
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

    /// A reader for [`Reader::range`]: it does not wait for new records, so that one range after
    /// the other comes quickly.
    ///
    /// # Errors
    /// Only settings that librdkafka does not take.
    pub fn for_ranges(settings: &KafkaSettings, group: &str) -> Result<Self, SettingsError> {
        Self::create(settings, group, limits::RANGE_FETCH_WAIT_MS)
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
        if let Some(event) = self.sign() {
            return Some(event);
        }
        match polled? {
            Ok(message) => Some(Event::Record(Record(message))),
            Err(KafkaError::PartitionEOF(partition)) => {
                self.signals.lock().forget_progress(partition);
                Some(Event::End(partition))
            }
            Err(error) => {
                let reason = self.signals.lock().last_error.clone();
                let reason = if reason.is_empty() { log::reason(&error) } else { reason };
                match error.rdkafka_error_code() {
                    Some(
                        Code::AutoOffsetReset
                        | Code::OffsetOutOfRange
                        | Code::LogTruncation
                        | Code::UnknownTopicOrPartition
                        | Code::UnknownTopic
                        | Code::UnknownPartition
                        | Code::UnknownTopicId,
                    ) => Some(Event::Lost(reason)),
                    // librdkafka tries to leave such a batch out; what comes then is not to be relied on.
                    Some(Code::BadMessage | Code::BadCompression | Code::NotImplemented) => {
                        Some(Event::Lost(format!("{DAMAGED}: {reason}")))
                    }
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

    /// What the client has said besides. It makes void what was polled.
    fn sign(&self) -> Option<Event<'static>> {
        let mut state = self.signals.lock();
        if let Some(topic) = state.made_anew.take() {
            // What was polled may stand in the new log already.
            return Some(Event::Lost(format!("topic {topic} was deleted and made anew")));
        }
        if state.stranded.is_certain(Instant::now()) {
            return Some(Event::Lost(stranded::REASON.to_owned()));
        }
        std::mem::take(&mut state.interrupted).then_some(Event::Interrupted)
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
            let heard = std::mem::take(&mut self.signals.lock().heard);
            if quiet && !heard {
                return None;
            }
            (timeout, quiet) = (Duration::ZERO, !heard);
        }
    }

    /// Reads the records of a partition from `from` to before `to`, or to the end of the log if
    /// that comes first, and gives each to `each`. The reader must read nothing else meanwhile.
    ///
    /// # Errors
    /// When the offsets are not in the log, or no broker answers in time.
    pub fn range(
        &self,
        topic: &str,
        partition: i32,
        (from, to): (i64, i64),
        mut each: impl FnMut(&Record<'_>),
    ) -> Result<(), LookupError> {
        if from >= to {
            return Ok(());
        }
        self.add(topic, partition, from)?;
        let silence = lookup();
        let (mut heard, mut next) = (Instant::now(), from);
        let result = loop {
            match self.poll(Duration::from_millis(limits::POLL_MS)) {
                Some(Event::Record(record)) => {
                    heard = Instant::now();
                    next = record.offset() + 1;
                    if record.offset() < to {
                        each(&record);
                    }
                    if record.offset() >= to - 1 {
                        break Ok(());
                    }
                }
                Some(Event::End(_)) => break Ok(()),
                Some(Event::Lost(reason) | Event::Denied(reason)) => {
                    break Err(failed("records", topic, reason));
                }
                Some(Event::Interrupted) => {
                    self.remove(topic, partition);
                    self.add(topic, partition, next)?;
                }
                Some(Event::Problem(_)) | None => {}
            }
            if heard.elapsed() > silence {
                let reason = self.down().unwrap_or_else(|| "the broker does not answer".into());
                break Err(failed("records", topic, reason));
            }
        };
        self.remove(topic, partition);
        result
    }

    /// Where the reader is in a topic: of each partition what was reported since the last call and
    /// since its last [`Event::End`].
    #[must_use]
    pub fn progress(&self, topic: &str) -> Option<BTreeMap<i32, Position>> {
        self.signals.lock().progress.take()?.topics.remove(topic)
    }

    /// The reason why no broker is reachable, if none is.
    #[must_use]
    pub fn down(&self) -> Option<String> {
        let down = self.signals.lock().down.clone();
        down.map(|reason| self.why(&reason))
    }

    /// What is behind a reason that librdkafka gives.
    pub(super) fn why(&self, reason: &str) -> String {
        self.explainer.explain(reason).text
    }

    /// The right to read what is read, as the client does not say which topic it is about.
    fn missing_read(&self) -> String {
        let assigned = self.consumer.assignment();
        let topics = assigned.map(|list| list.elements().first().map(|e| e.topic().to_owned()));
        let topic = topics.ok().flatten().unwrap_or_default();
        Right::on_topic("Read", &topic).missing(self.settings())
    }

    pub(super) fn settings(&self) -> &KafkaSettings {
        self.explainer.settings()
    }

    pub(super) fn group(&self) -> &str {
        &self.group
    }
}

pub(super) fn list(topic: &str, partitions: impl IntoIterator<Item = i32>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topic, partition);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_reads_nothing_takes_its_reports() {
        let reader = Reader::for_ranges(&KafkaSettings::new("localhost:1"), "test").unwrap();
        let end = Instant::now() + Duration::from_mins(1);
        while reader.signals.lock().progress.is_none() {
            assert!(Instant::now() < end, "no report was taken");
            reader.idle();
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_report_from_before_an_end_is_forgotten() {
        let position = Position { reached_end: 7, log_end: 9 };
        let positions = BTreeMap::from([(0, position), (1, position)]);
        let topics = [("ratings".to_owned(), positions)].into();
        let progress = Some(Progress { connected: true, topics });
        let mut state = State { progress, ..State::default() };
        state.forget_progress(1);
        let left = &state.progress.unwrap().topics["ratings"];
        assert_eq!(*left, BTreeMap::from([(0, position)]));
    }
}
