//! Signals: what the callbacks of a producing client say, of its brokers and of each record.
//!
//! ```text
//!  librdkafka ─┬─ logs, errors, statistics ─► health │ another client is wanted │ a right is missing
//!              └─ delivery of a record ─► what became of it ─► Countdown
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use tokio::sync::watch;

use super::countdown::{Countdown, Placed, SendError, SendResult};
use crate::queue::limits;
use crate::queue::log;
use crate::queue::refusal::Explainer;
use crate::queue::rights::{Right, is_denial};
use crate::queue::settings::KafkaSettings;
use crate::queue::stranded::Stranded;

/// Whether records can be written.
pub(super) type Health = Result<(), Outage>;

/// A time in which no record can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) reason: String,
    since: Instant,
}

impl Outage {
    /// How long whoever would wait `within` still waits. After the first moments an outage is
    /// more likely to last than to end while somebody waits, who can try again later as well.
    pub(super) fn patience(&self, within: Duration, now: Instant) -> Duration {
        within.saturating_sub(now.saturating_duration_since(self.since))
    }
}

/// The state that a client's callbacks write to.
#[derive(Clone)]
pub(super) struct Signals {
    /// The topic whose writer this is about, and where its brokers were to be found first.
    pub(super) topic: Arc<str>,
    brokers: Arc<str>,
    pub(super) countdown: Countdown,
    pub(super) health: Arc<watch::Sender<Health>>,
    /// Wakes the thread that looks for brokers.
    pub(super) wake: SyncSender<()>,
    /// Whether the client must be replaced.
    pub(super) stranded: Arc<Stranded>,
    /// Whether the client is to be replaced, because it may look for brokers where there are none.
    pub(super) doubted: Arc<AtomicBool>,
    /// Since when records time out and none is acknowledged.
    failing_since: Arc<Mutex<Option<Instant>>>,
    /// The last thing that went wrong with a connection, for people to read.
    last_error: Arc<Mutex<String>>,
    /// What librdkafka does not say about it.
    explainer: Explainer,
    /// Whether only a person can mend what is wrong, so that nobody need wait for it.
    pub(super) is_lasting: Arc<AtomicBool>,
    /// The right without which nothing at all can be written, and since when it is known to miss.
    denied: Arc<Mutex<Option<(Instant, String)>>>,
    /// When a record was last denied to each topic.
    barred: Arc<Mutex<BTreeMap<String, Instant>>>,
}

impl Signals {
    /// The signals of a writer to `topic`, and what wakes the thread that looks for brokers.
    pub(super) fn new(settings: &KafkaSettings, topic: &str) -> (Self, Receiver<()>) {
        let (wake, woken) = sync_channel(1);
        let outage = Outage { reason: "not connected yet".to_owned(), since: Instant::now() };
        let signals = Self {
            topic: topic.into(),
            brokers: settings.brokers.as_str().into(),
            countdown: Countdown::default(),
            health: Arc::new(watch::Sender::new(Err(outage))),
            wake,
            stranded: Arc::default(),
            doubted: Arc::default(),
            failing_since: Arc::default(),
            last_error: Arc::default(),
            explainer: Explainer::new(settings),
            is_lasting: Arc::default(),
            denied: Arc::default(),
            barred: Arc::default(),
        };
        (signals, woken)
    }

    /// Notes whether records can be written, and says so in the log if that is new.
    pub(super) fn note(&self, now: Result<(), String>) {
        if now.is_ok() {
            // The next failure has reasons of its own.
            self.last_error().clear();
            self.explainer.forget();
            self.is_lasting.store(false, Ordering::Release);
        }
        self.health.send_if_modified(|health| {
            // Another reason is no other outage.
            let since = health.as_ref().err().map_or_else(Instant::now, |outage| outage.since);
            let now = now.map_err(|reason| Outage { reason, since });
            let changed = *health != now;
            match &now {
                Ok(()) if changed => tracing::info!(topic = &*self.topic, "writer connected"),
                Err(Outage { reason, .. }) if changed => {
                    tracing::warn!(topic = &*self.topic, reason, "writer not connected");
                }
                _ => {}
            }
            *health = now;
            changed
        });
    }

    /// Why no broker is reachable: what went wrong last, else the error at hand.
    pub(super) fn unreachable(&self, error: &KafkaError) -> String {
        let last = self.last_error().clone();
        let reason = if last.is_empty() { log::reason(error) } else { last };
        let reason = self.explainer.explain(&reason);
        self.is_lasting.store(reason.is_lasting, Ordering::Release);
        format!("no broker of {} is reachable: {}", self.brokers, reason.text)
    }

    /// Notes that nothing may be written, until a client was let write.
    fn deny(&self) {
        let right = Right::on_topic("Write", &self.topic);
        let text = right.missing(self.explainer.settings());
        *self.denied() = Some((Instant::now(), text.clone()));
        self.is_lasting.store(true, Ordering::Release);
        self.note(Err(text));
    }

    pub(super) fn denied(&self) -> MutexGuard<'_, Option<(Instant, String)>> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn barred(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        self.barred.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing is handed over for a topic: a record was denied to it a moment ago. That one may have been written
    /// by an earlier try; of those that are not handed over it is certain that they were not.
    pub(super) fn bar(&self, topic: &str) -> Option<SendError> {
        let is_barred =
            self.barred().get(topic).is_some_and(|at| at.elapsed() < limits::DENIED_PAUSE);
        let right = Right::on_topic("Write", topic);
        is_barred.then(|| SendError::Refused(right.missing(self.explainer.settings()).into()))
    }

    /// Wants another client. librdkafka ignores metadata with a smaller leader epoch than it has
    /// seen, which is what a topic made anew and a cluster out of a backup have, and then sends
    /// records to brokers that do not lead, for ever.
    fn doubt(&self) {
        self.doubted.store(true, Ordering::Release);
        // A full channel means that the thread is about to look anyway.
        let _ = self.wake.try_send(());
    }

    /// Notes whether records are acknowledged at all.
    fn weigh(&self, timed_out: bool) {
        let mut since = self.failing_since.lock().unwrap_or_else(PoisonError::into_inner);
        if !timed_out {
            *since = None;
        } else if since.get_or_insert_with(Instant::now).elapsed() >= limits::FAILING_MAX {
            *since = None;
            self.doubt();
        }
    }

    fn last_error(&self) -> MutexGuard<'_, String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Signals {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log::forward(level, facility, message);
        if let Some(log::Sign::MadeAnew(topic)) = log::sign(message) {
            tracing::warn!(topic, "the topic was made anew");
            self.doubt();
        }
    }

    fn stats_raw(&self, json: &[u8]) {
        // The broker has numbered this client, which it does only for those who may write.
        if memchr::memmem::find(json, br#""idemp_state": "Assigned""#).is_some() {
            *self.denied() = None;
        }
        self.stranded.note(json, Instant::now());
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "writer");
        if error.rdkafka_error_code() == Some(Code::AllBrokersDown) {
            self.note(Err(self.unreachable(&error)));
        } else if error.rdkafka_error_code() == Some(Code::ClusterAuthorizationFailed) {
            self.deny();
        } else {
            log::lasting(reason).clone_into(&mut self.last_error());
        }
        if matches!(error.rdkafka_error_code(), Some(Code::AllBrokersDown | Code::Fatal)) {
            // A full channel means that the thread is about to look anyway.
            let _ = self.wake.try_send(());
        }
    }
}

impl ProducerContext for Signals {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let result = match result {
            Ok(message) => {
                self.weigh(false);
                placed(message.partition(), message.offset())
            }
            Err((error, message)) => {
                if error.rdkafka_error_code() == Some(Code::MessageTimedOut) {
                    self.weigh(true);
                }
                if is_denial(error.rdkafka_error_code()) {
                    self.barred().insert(message.topic().to_owned(), Instant::now());
                }
                Err(self.classify(error, message.topic()))
            }
        };
        self.countdown.report(ticket, result);
    }
}

/// Where an acknowledged record is. A broker that has it from an earlier try whose answer was lost
/// takes it no second time, and does not always remember where it is. Nobody could then wait for
/// it to be counted; sent again with the same id it has a place and still counts once.
fn placed(partition: i32, offset: i64) -> SendResult {
    if offset < 0 {
        let reason = "the broker has it from an earlier try, and does not say where";
        return Err(SendError::Unknown(reason.into()));
    }
    Ok(Placed { partition, offset })
}

impl Signals {
    /// What a report says about a record that the client took. It does not say whether an earlier
    /// try was sent and its answer lost, so only what follows from the record itself is certain:
    /// an earlier try would have met the same refusal. All else leaves the outcome unknown, also
    ///
    /// - a partition or topic that is gone: the client gives up what waits there for a second try;
    /// - a right that is missing: the earlier try may have come before it was taken away;
    /// - a want of replicas: the earlier try may have found them;
    /// - what is purged from the queue of a client that is replaced.
    fn classify(&self, error: &KafkaError, topic: &str) -> SendError {
        match error.rdkafka_error_code() {
            Some(Code::MessageSizeTooLarge) => SendError::TooLarge,
            Some(Code::InvalidRecord | Code::PolicyViolation | Code::InvalidTimestamp) => {
                SendError::Refused(log::reason(error).into())
            }
            _ => SendError::Unknown(self.reason(error, topic)),
        }
    }

    /// What an error says about a record that the client did not even take, so that it certainly
    /// is not in the log.
    pub(super) fn classify_untaken(&self, error: &KafkaError, topic: &str) -> SendError {
        if let Some((_, denial)) = self.denied().as_ref() {
            return SendError::Unavailable(denial.as_str().into());
        }
        match error.rdkafka_error_code() {
            Some(Code::MessageSizeTooLarge) => SendError::TooLarge,
            Some(Code::QueueFull) => {
                SendError::Unavailable("the queue of records waiting for the broker is full".into())
            }
            code if is_denial(code) => SendError::Refused(self.reason(error, topic)),
            _ => SendError::Unavailable(self.reason(error, topic)),
        }
    }

    /// An error in words, with the right that is missing.
    fn reason(&self, error: &KafkaError, topic: &str) -> Arc<str> {
        if is_denial(error.rdkafka_error_code()) {
            return Right::on_topic("Write", topic).missing(self.explainer.settings()).into();
        }
        log::reason(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_an_offset_has_no_known_place() {
        assert_eq!(placed(3, 0), Ok(Placed { partition: 3, offset: 0 }));
        // RD_KAFKA_OFFSET_INVALID, as librdkafka reports it after DUPLICATE_SEQUENCE_NUMBER.
        assert!(matches!(placed(3, -1_001), Err(SendError::Unknown(_))));
    }

    /// What is said of a record with this error: when the client reports on it, and when it does
    /// not take it.
    fn said(code: Code) -> (SendError, SendError) {
        let (signals, _woken) = Signals::new(&KafkaSettings::new("b:1"), "writer's");
        let error = KafkaError::MessageProduction(code);
        (signals.classify(&error, "ratings"), signals.classify_untaken(&error, "ratings"))
    }

    #[test]
    fn what_the_client_gives_up_may_have_been_written_before() {
        // A partition that leaves takes with it what waits for a second try.
        for code in [Code::UnknownPartition, Code::UnknownTopic, Code::PurgeQueue, Code::Fatal] {
            let (reported, untaken) = said(code);
            assert!(matches!(reported, SendError::Unknown(_)), "{code:?}: {reported:?}");
            assert!(matches!(untaken, SendError::Unavailable(_)), "{code:?}: {untaken:?}");
        }
        let (reported, _) = said(Code::NotEnoughReplicas);
        assert!(matches!(reported, SendError::Unknown(_)), "{reported:?}");
    }

    #[test]
    fn a_right_may_have_been_there_for_an_earlier_try() {
        let (reported, untaken) = said(Code::TopicAuthorizationFailed);
        let named = |reason: &str| reason.contains("lacks the right Write on topic ratings");
        assert!(matches!(&reported, SendError::Unknown(reason) if named(reason)), "{reported:?}");
        assert!(matches!(&untaken, SendError::Refused(reason) if named(reason)), "{untaken:?}");
    }

    #[test]
    fn what_the_record_is_was_the_same_at_every_try() {
        let too_large = said(Code::MessageSizeTooLarge);
        assert_eq!(too_large, (SendError::TooLarge, SendError::TooLarge));
        for code in [Code::InvalidRecord, Code::PolicyViolation, Code::InvalidTimestamp] {
            let (reported, _) = said(code);
            assert!(matches!(reported, SendError::Refused(_)), "{code:?}: {reported:?}");
        }
    }

    /// Sentences of librdkafka's statistics (ADR 20), which its own mock cluster makes it say.
    #[test]
    fn a_client_that_may_write_and_knows_brokers_says_so_in_its_statistics() {
        let cluster = rdkafka::mocking::MockCluster::new(1).unwrap();
        cluster.create_topic("ratings", 1, 1).unwrap();
        let settings = KafkaSettings::new(cluster.bootstrap_servers());
        let (signals, _woken) = Signals::new(&settings, "ratings");
        *signals.denied() = Some((Instant::now(), "no right".into()));
        let _client = super::super::client::create(&settings, signals.clone()).unwrap();
        let end = Instant::now() + Duration::from_mins(1);
        while signals.denied().is_some() {
            assert!(
                Instant::now() < end,
                "the statistics do not say \"idemp_state\": \"Assigned\""
            );
            std::thread::yield_now();
        }
        let later = Instant::now() + 2 * limits::STRANDED_AFTER;
        assert!(!signals.stranded.is_certain(later), "the statistics name no source of a broker");
    }

    #[test]
    fn a_full_queue_has_not_taken_the_record() {
        let (_, untaken) = said(Code::QueueFull);
        assert!(matches!(&untaken, SendError::Unavailable(reason) if reason.contains("full")));
    }

    #[test]
    fn nobody_waits_longer_than_an_outage_is_young() {
        let (signals, _woken) = Signals::new(&KafkaSettings::new("b:1"), "ratings");
        let outage = || signals.health.borrow().clone().unwrap_err();
        let (first, wait) = (outage(), Duration::from_secs(2));
        assert_eq!(first.patience(wait, first.since), wait);
        assert_eq!(first.patience(wait, first.since + wait / 2), wait / 2);
        assert_eq!(first.patience(wait, first.since + wait), Duration::ZERO);
        assert_eq!(first.patience(wait, first.since + 100 * wait), Duration::ZERO);
        // Another reason makes it no younger; another outage is another one.
        signals.note(Err("connection refused".into()));
        assert_eq!(outage(), Outage { reason: "connection refused".into(), ..first.clone() });
        signals.note(Ok(()));
        while Instant::now() == first.since {}
        signals.note(Err("connection refused".into()));
        assert!(outage().since > first.since);
    }
}
