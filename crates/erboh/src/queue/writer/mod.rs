//! Writer: puts records on one topic and says what became of each.
//!
//! ```text
//!   send(batch) ─► reachable? ─no, since half the deadline─► Unavailable, all of them
//!                      │yes
//!                      ▼
//!                  librdkafka (bounded queue, acks=all, idempotent) ─► Placed │ TooLarge │
//!                      │                                               Refused │ Unknown
//!                      ├ not even taken ─► Unavailable │ TooLarge │ Refused
//!                      └ no answer until the deadline ─► Unknown
//! ```

mod client;
mod countdown;
mod signals;

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use tokio::sync::watch;

pub use self::countdown::{Pending, Placed, SendError, SendResult};
use self::signals::{Health, Signals};
use super::absent::Absent;
use super::batch::{self, Batch};
use super::limits;
use super::settings::{KafkaSettings, SettingsError};
use super::stranded;

/// A record on its way to a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutRecord {
    /// The key; the partition follows from it unless `partition` is set.
    pub key: Option<Vec<u8>>,
    /// The value; none deletes the key of a compacted topic.
    pub value: Option<Vec<u8>>,
    /// Names and values of headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The partition to write to, for whoever must know.
    pub partition: Option<i32>,
}

impl OutRecord {
    /// A record with a key and a value.
    #[must_use]
    pub fn new(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), value: Some(value.into()), ..Self::default() }
    }
}

/// Puts records on one topic. Clones share one client.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Shared>,
    topic: Arc<str>,
}

struct Shared {
    settings: KafkaSettings,
    signals: Signals,
    /// Replaced when librdkafka declares a client unusable, or it is.
    client: RwLock<Arc<ThreadedProducer<Signals>>>,
    health: watch::Receiver<Health>,
}

impl Writer {
    /// A writer to `topic`. Returns at once; brokers are looked for in the background.
    ///
    /// # Errors
    /// Only settings that librdkafka does not take.
    pub fn connect(settings: &KafkaSettings, topic: &str) -> Result<Self, SettingsError> {
        let (signals, woken) = Signals::new(settings, topic);
        let topic = Arc::clone(&signals.topic);
        let client = client::create(settings, signals.clone())?;
        let shared = Arc::new(Shared {
            settings: settings.clone(),
            health: signals.health.subscribe(),
            signals,
            client: RwLock::new(Arc::new(client)),
        });
        let (weak, name) = (Arc::downgrade(&shared), Arc::clone(&topic));
        std::thread::Builder::new()
            .name("writer-health".into())
            .spawn(move || watch_health(&weak, &woken, &name))
            .map_err(|error| SettingsError(format!("cannot start a thread: {error}")))?;
        Ok(Self { shared, topic })
    }

    /// A writer to another topic over the same client. `health` stays that of the first topic.
    #[must_use]
    pub fn on_topic(&self, topic: &str) -> Self {
        Self { shared: Arc::clone(&self.shared), topic: topic.into() }
    }

    /// Whether a broker is reachable and the topic exists; otherwise the reason.
    pub fn health(&self) -> Result<(), String> {
        self.shared.health.borrow().clone().map_err(|outage| outage.reason)
    }

    /// Sends records and waits at most `deadline` in all for the acknowledgements. The results
    /// stand in the order of the records.
    ///
    /// # Panics
    /// When there are more than 65,536.
    pub async fn send(&self, records: Vec<OutRecord>, deadline: Duration) -> Vec<SendResult> {
        let end = Instant::now() + deadline;
        if let Err(error) = self.reachable(deadline / 2).await {
            return vec![Err(error); records.len()];
        }
        let pending = self.post(&records);
        // While they wait, librdkafka has a copy of its own.
        drop(records);
        pending.wait(end.saturating_duration_since(Instant::now())).await
    }

    /// The topic that it writes to.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// As [`Writer::send`], for a batch.
    pub async fn send_batch(&self, batch: Batch, deadline: Duration) -> Vec<SendResult> {
        let end = Instant::now() + deadline;
        if let Err(error) = self.reachable(deadline / 2).await {
            return vec![Err(error); batch.len()];
        }
        let pending = self.post_batch(&batch);
        drop(batch);
        pending.wait(end.saturating_duration_since(Instant::now())).await
    }

    /// Waits for a broker that is just coming back, until `within` of the outage are over. Senders
    /// give that half of their time; the rest is for the broker's answer.
    ///
    /// # Errors
    /// [`SendError::Unavailable`] with the reason, at once where only a person can mend it.
    pub(crate) async fn reachable(&self, within: Duration) -> Result<(), SendError> {
        let mut health = self.shared.health.clone();
        let Err(outage) = health.borrow().clone() else { return Ok(()) };
        // Nobody need wait for what only a person can mend.
        let is_lasting = self.shared.signals.is_lasting.load(Ordering::Acquire);
        let patience =
            if is_lasting { Duration::ZERO } else { outage.patience(within, Instant::now()) };
        let up = tokio::time::timeout(patience, health.wait_for(Result::is_ok)).await;
        if up.is_ok_and(|up| up.is_ok()) {
            return Ok(());
        }
        Err(SendError::Unavailable(self.health().err().unwrap_or_default().into()))
    }

    /// Hands records to the client without waiting for anything.
    ///
    /// # Panics
    /// When there are more than 65,536.
    #[must_use]
    pub fn post(&self, records: &[OutRecord]) -> Pending {
        self.hand_over(records.iter().map(|record| BaseRecord {
            key: record.key.as_deref(),
            payload: record.value.as_deref(),
            partition: record.partition,
            headers: batch::headers(&record.headers),
            ..BaseRecord::with_opaque_to(&self.topic, 0)
        }))
    }

    /// As [`Writer::post`], for a batch.
    #[must_use]
    pub fn post_batch(&self, batch: &Batch) -> Pending {
        let headers = batch.shared_headers();
        self.hand_over(batch.records().map(|(key, value)| BaseRecord {
            key: Some(key),
            payload: Some(value),
            headers: headers.clone(),
            ..BaseRecord::with_opaque_to(&self.topic, 0)
        }))
    }

    fn hand_over<'a>(
        &self,
        records: impl ExactSizeIterator<Item = BaseRecord<'a, [u8], [u8], usize>>,
    ) -> Pending {
        let client = self.shared.client();
        let countdown = &self.shared.signals.countdown;
        let pending = countdown.start(records.len());
        let mut unavailable = self.shared.signals.bar(&self.topic);
        for (place, mut record) in records.enumerate() {
            let ticket = pending.ticket(place);
            record.delivery_opaque = ticket;
            let result = match &unavailable {
                Some(reason) => Err(reason.clone()),
                None => client.send(record).map_err(|(error, record)| {
                    self.shared.signals.classify_untaken(&error, record.topic)
                }),
            };
            if let Err(error) = result {
                // Where one record finds the queue full, the next ones need not try.
                if matches!(error, SendError::Unavailable(_)) {
                    unavailable = Some(error.clone());
                }
                countdown.report(ticket, Err(error));
            }
        }
        pending
    }
}

impl Shared {
    fn client(&self) -> Arc<ThreadedProducer<Signals>> {
        Arc::clone(&self.client.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces a client that librdkafka has declared unusable, that has lost its brokers, or that
    /// may look for leaders where there are none. Its records are reported as unknown when it is dropped.
    fn replace_if_unusable(&self) {
        if self.signals.denied().as_ref().is_some_and(|(at, _)| at.elapsed() < limits::DENIED_PAUSE)
        {
            return;
        }
        let fatal = self.client().client().fatal_error().map(|(_, reason)| reason);
        let stranded = self.signals.stranded.is_certain(Instant::now());
        let doubted = self.signals.doubted.swap(false, Ordering::AcqRel);
        let reason = fatal
            .or_else(|| stranded.then(|| stranded::REASON.to_owned()))
            .or_else(|| doubted.then(|| client::OUTDATED.to_owned()));
        let Some(reason) = reason else { return };
        tracing::warn!(reason, "the producing client is unusable; starting a new one");
        self.signals.stranded.reset();
        match client::create(&self.settings, self.signals.clone()) {
            Ok(client) => {
                let mut place = self.client.write().unwrap_or_else(PoisonError::into_inner);
                let old = std::mem::replace(&mut *place, Arc::new(client));
                drop(place);
                // Takes a moment, in which others write already.
                drop(old);
            }
            Err(error) => self.signals.note(Err(error.to_string())),
        }
    }

    /// Asks for the topic's metadata. Until the topic has been seen, all topics are listed,
    /// because a producer's question for one topic would create it with the broker's defaults.
    fn look(&self, topic: &str, seen: bool) -> Result<(), String> {
        let timeout = Duration::from_millis(limits::PROBE_TIMEOUT_MS);
        let client = self.client();
        let metadata = client
            .client()
            .fetch_metadata(seen.then_some(topic), timeout)
            .map_err(|error| self.signals.unreachable(&error))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        if found.is_some_and(|found| !found.partitions().is_empty()) {
            let denied = self.signals.denied();
            return denied.as_ref().map_or(Ok(()), |(_, denial)| Err(denial.clone()));
        }
        let Absent { reason, hidden } = Absent::look(&self.settings, topic);
        self.signals.is_lasting.store(hidden, Ordering::Release);
        Err(reason)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = self.signals.wake.try_send(());
    }
}

/// Keeps the health of a writer up to date until the writer is gone.
fn watch_health(shared: &Weak<Shared>, woken: &Receiver<()>, topic: &str) {
    let mut seen = false;
    loop {
        let Some(shared) = shared.upgrade() else { return };
        shared.replace_if_unusable();
        let health = shared.look(topic, seen);
        seen |= health.is_ok();
        let pause = if health.is_ok() { limits::PROBE_UP_MS } else { limits::PROBE_DOWN_MS };
        shared.signals.note(health);
        drop(shared);
        if woken.recv_timeout(Duration::from_millis(pause)) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn until(what: &str, is_so: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < end, "{what} did not come");
            std::thread::yield_now();
        }
    }

    /// The broker hangs up on a record that it may have written, and before the second try the
    /// topic is somebody else's.
    #[tokio::test]
    async fn a_record_whose_answer_was_lost_is_unknown_when_its_topic_goes() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("ratings", 1, 1).unwrap();
        let settings = KafkaSettings::new(cluster.bootstrap_servers());
        let writer = Writer::connect(&settings, "ratings").unwrap();
        until("the broker", || writer.health().is_ok());
        cluster.request_errors(
            RDKafkaApiKey::Produce,
            &[RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT; 100],
        );
        let pending = writer.post(&[OutRecord::new("key", "value")]);
        until("the loss", || writer.health().is_err());
        let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        cluster.topic_error("ratings", denied).unwrap();
        let results = pending.wait(PATIENCE).await;
        let [Err(SendError::Unknown(reason))] = &results[..] else { panic!("{results:?}") };
        let named = |reason: &str| reason.contains("lacks the right Write on topic ratings");
        assert!(named(reason), "{reason}");
        // The next one is not handed over, whatever the client makes of the topic by then.
        let results = writer.post(&[OutRecord::new("key", "value")]).wait(PATIENCE).await;
        assert!(matches!(&results[..], [Err(SendError::Refused(reason))] if named(reason)));
        let other = writer.on_topic("others").post(&[OutRecord::new("key", "value")]);
        let results = other.wait(PATIENCE).await;
        assert!(!matches!(&results[..], [Err(SendError::Refused(_))]), "{results:?}");
    }
}
