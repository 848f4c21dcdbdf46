//! Member: one member of a consumer group. It learns which partitions it owns, and commits.
//!
//! ```text
//!   join ─► poll() ─► Assigned([p…]) ─► accept([p…])        (the data is read by a Reader)
//!              │
//!              └────► Revoked([p…], lost?) ─► last snapshot ─► release([p…])
//! ```
//!
//! Membership and reading are two clients on purpose: a partition may be re-read from an earlier
//! offset, halted or restored at any time without the group noticing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use rdkafka::types::RDKafkaRespErr;

use super::limits;
use super::log;
use super::rights::Right;
use super::settings::{KafkaSettings, SettingsError};
use super::stranded::{self, Stranded};

/// What happens to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEvent {
    /// These partitions are now owned; answer with [`Member::accept`].
    Assigned(Vec<i32>),
    /// These partitions go elsewhere; answer with [`Member::release`]. When `lost`, somebody else
    /// may own them already.
    Revoked {
        /// The partitions.
        partitions: Vec<i32>,
        /// Whether ownership had ended before this was said.
        lost: bool,
    },
    /// The member cannot go on and must join anew.
    Fatal {
        /// Why.
        reason: String,
        /// Whether another member has joined with the same instance id.
        replaced: bool,
    },
}

#[derive(Default)]
struct Inner {
    events: Mutex<VecDeque<GroupEvent>>,
    /// Set before the client is dropped: from then on nobody answers a revocation.
    closing: AtomicBool,
    commit_failed: AtomicBool,
    /// The session has ended, and nothing was assigned since.
    lost: AtomicBool,
    /// The last poll only brought statistics.
    woken: AtomicBool,
    stranded: Stranded,
}

#[derive(Clone, Default)]
struct Signals(Arc<Inner>);

impl Signals {
    fn events(&self) -> MutexGuard<'_, VecDeque<GroupEvent>> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Signals {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log::forward(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "group member");
    }

    /// They wake the client, see [`limits::MEMBER_WAKE_MS`].
    fn stats_raw(&self, json: &[u8]) {
        self.0.stranded.note(json, Instant::now());
        self.0.woken.store(true, Ordering::Relaxed);
    }
}

impl ConsumerContext for Signals {
    /// Notes the event and leaves the answer to the thread that polls, after its poll.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let assigned = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.0.closing.load(Ordering::Acquire) {
            let done = if assigned {
                consumer.incremental_assign(list)
            } else {
                consumer.incremental_unassign(list)
            };
            if let Err(error) = done {
                tracing::debug!(%error, "leaving the group");
            }
            return;
        }
        let partitions = list.elements().iter().map(TopicPartitionListElem::partition).collect();
        let event = if assigned {
            self.0.lost.store(false, Ordering::Release);
            GroupEvent::Assigned(partitions)
        } else {
            self.0.lost.store(consumer.assignment_lost(), Ordering::Release);
            GroupEvent::Revoked { partitions, lost: consumer.assignment_lost() }
        };
        self.events().push_back(event);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        // Nothing depends on it, the committed offset is for lag tools only; so it is enough to
        // say that it should be tried again.
        if let Err(error) = result {
            tracing::debug!(%error, "the group offset was not committed");
            self.0.commit_failed.store(true, Ordering::Release);
        }
    }
}

/// How often the member says that it lives: as often as is wished for, but never so seldom that its
/// session could end in between. The session may come from the user, and a heartbeat that does not
/// go with it would throw the member out again and again.
fn heartbeat_ms(settings: &KafkaSettings) -> String {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let longest = (settings.session_timeout_ms() / limits::HEARTBEATS_PER_SESSION).max(1);
    match settings.property("heartbeat.interval.ms").map(|text| number(text).ok_or(text)) {
        // What is no number, librdkafka refuses by name.
        Some(Err(text)) => text.to_owned(),
        Some(Ok(wished)) => wished.clamp(1, longest).to_string(),
        None => limits::HEARTBEAT_MS.min(longest).to_string(),
    }
}

/// One member of a consumer group.
pub struct Member {
    /// None while it is being dropped.
    consumer: Option<BaseConsumer<Signals>>,
    signals: Signals,
    topic: String,
    group: String,
    settings: KafkaSettings,
}

impl Member {
    /// Joins `group` for the partitions of `topic`. With an `instance_id` the membership is
    /// static: a restart within the session time-out keeps its partitions.
    ///
    /// # Errors
    /// Only settings that librdkafka does not take.
    pub fn join(
        settings: &KafkaSettings,
        group: &str,
        instance_id: Option<&str>,
        topic: &str,
    ) -> Result<Self, SettingsError> {
        let session = limits::SESSION_TIMEOUT_MS.to_string();
        let heartbeat = heartbeat_ms(settings);
        let wake = limits::MEMBER_WAKE_MS.to_string();
        let refresh = limits::METADATA_REFRESH_MS.to_string();
        let mut choices = vec![
            ("topic.metadata.refresh.interval.ms", refresh.as_str()),
            // The member itself reads nothing; should a fetch slip in, it stays small.
            ("queued.max.messages.kbytes", "1"),
            ("fetch.message.max.bytes", "1024"),
        ];
        let mut demands = vec![
            ("group.id", group),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("allow.auto.create.topics", "false"),
            ("statistics.interval.ms", wake.as_str()),
        ];
        // Under KIP-848, which a property may switch on, the broker decides these.
        if settings.property("group.protocol") != Some("consumer") {
            choices.push(("session.timeout.ms", &session));
            demands.push(("heartbeat.interval.ms", &heartbeat));
            demands.push(("partition.assignment.strategy", "cooperative-sticky"));
        }
        if let Some(instance_id) = instance_id {
            demands.push(("group.instance.id", instance_id));
        }
        let signals = Signals::default();
        let failed = |error: KafkaError| SettingsError(error.to_string());
        let consumer: BaseConsumer<Signals> = settings
            .client(&choices, &demands)
            .create_with_context(signals.clone())
            .map_err(failed)?;
        consumer.subscribe(&[topic]).map_err(failed)?;
        let (settings, group) = (settings.clone(), group.to_owned());
        Ok(Self { consumer: Some(consumer), signals, topic: topic.into(), group, settings })
    }

    /// Serves the group without waiting; returns what happened, oldest first, one at a time.
    #[must_use]
    pub fn poll(&self) -> Option<GroupEvent> {
        if self.signals.0.stranded.is_certain(Instant::now()) {
            let reason = stranded::REASON.to_owned();
            return Some(GroupEvent::Fatal { reason, replaced: false });
        }
        loop {
            if let Some(Err(error)) = self.client().poll(Duration::ZERO)
                && let Some(event) = self.fatal(&error)
            {
                return Some(event);
            }
            let event = self.signals.events().pop_front();
            // Behind statistics something may stand that matters.
            let again = self.signals.0.woken.swap(false, Ordering::Relaxed);
            if event.is_some() || !again {
                return event;
            }
        }
    }

    /// Whether a member with this error can go on.
    fn fatal(&self, error: &KafkaError) -> Option<GroupEvent> {
        let fatal = self.client().client().fatal_error();
        let code = fatal.as_ref().map(|(code, _)| *code).or(error.rdkafka_error_code());
        let refused = || code.is_some_and(is_refusal).then(|| self.refusal(error));
        if let Some(reason) = fatal.map(|(_, reason)| reason).or_else(refused) {
            // A member whose session has ended fences itself: a commit that waited for the coordinator goes out, or a
            // join is tried again, without the member id by which the group knows it.
            let lost = self.signals.0.lost.load(Ordering::Acquire);
            let replaced = code == Some(Code::FencedInstanceId) && !lost;
            return Some(GroupEvent::Fatal { reason, replaced });
        }
        tracing::debug!(%error, "group member");
        None
    }

    /// A refusal as a reason for people: the right that is missing, where that is why.
    fn refusal(&self, error: &KafkaError) -> String {
        let right = match error.rdkafka_error_code() {
            Some(Code::GroupAuthorizationFailed) => Right::on_group("Read", &self.group),
            Some(Code::TopicAuthorizationFailed) => Right::on_topic("Describe", &self.topic),
            _ => return refusal(error),
        };
        right.missing(&self.settings)
    }

    /// Takes newly assigned partitions.
    pub fn accept(&self, partitions: &[i32]) {
        let list = self.list(partitions.iter().map(|partition| (*partition, Offset::End)));
        // Paused before and after, because a partition that is not known yet cannot be paused
        // before, and one that is known would be fetched in between.
        let _ = self.client().pause(&list);
        if let Err(error) = self.client().incremental_assign(&list) {
            tracing::warn!(%error, ?partitions, "cannot take assigned partitions");
        }
        if let Err(error) = self.client().pause(&list) {
            tracing::debug!(%error, ?partitions, "cannot pause partitions of the group member");
        }
    }

    /// Gives revoked partitions up.
    pub fn release(&self, partitions: &[i32]) {
        let list = self.list(partitions.iter().map(|partition| (*partition, Offset::Invalid)));
        if let Err(error) = self.client().incremental_unassign(&list) {
            tracing::warn!(%error, ?partitions, "cannot give partitions up");
        }
    }

    /// Commits the next offset of a partition, without waiting for the broker: to wait for a
    /// coordinator that is gone could take for ever. Giving a partition up and leaving the group
    /// come after the commits before them.
    pub fn commit(&self, partition: i32, next_offset: i64) {
        let list = self.list([(partition, Offset::Offset(next_offset))]);
        if let Err(error) = self.client().commit(&list, CommitMode::Async) {
            tracing::debug!(%error, partition, next_offset, "the group offset was not committed");
        }
    }

    /// Whether some commit has failed since this was last asked.
    #[must_use]
    pub fn take_commit_failure(&self) -> bool {
        self.signals.0.commit_failed.swap(false, Ordering::AcqRel)
    }

    fn client(&self) -> &BaseConsumer<Signals> {
        self.consumer.as_ref().expect("only dropping takes it")
    }

    fn list(&self, partitions: impl IntoIterator<Item = (i32, Offset)>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in partitions {
            if let Err(error) = list.add_partition_offset(&self.topic, partition, offset) {
                tracing::debug!(%error, partition, "no such offset");
            }
        }
        list
    }
}

/// Whether the group does not take the member, and will not before a person has changed something.
fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::GroupAuthorizationFailed
            | Code::TopicAuthorizationFailed
            | Code::GroupMaxSizeReached
            | Code::InconsistentGroupProtocol
            | Code::InvalidGroupId
            | Code::InvalidSessionTimeout
    )
}

/// A refusal as a reason for people, with the way out where there is one to name.
fn refusal(error: &KafkaError) -> String {
    let way_out = match error.rdkafka_error_code() {
        Some(Code::InconsistentGroupProtocol) => {
            "; another program is in the group and shares partitions out in another way than \
             cooperative-sticky: use another group, see --group"
        }
        Some(Code::InvalidSessionTimeout) => {
            "; set one between the cluster's group.min.session.timeout.ms and \
             group.max.session.timeout.ms, with --kafka-property session.timeout.ms=MS"
        }
        Some(Code::GroupMaxSizeReached) => {
            "; stop another replica, or raise the cluster's group.max.size"
        }
        _ => "",
    };
    format!("{}{way_out}", log::reason(error))
}

impl Drop for Member {
    fn drop(&mut self) {
        self.signals.0.closing.store(true, Ordering::Release);
        // A revocation that was noted but not answered would keep the client from closing.
        let waiting = std::mem::take(&mut *self.signals.events());
        for event in waiting {
            match event {
                GroupEvent::Assigned(partitions) => self.accept(&partitions),
                GroupEvent::Revoked { partitions, .. } => self.release(&partitions),
                GroupEvent::Fatal { .. } => {}
            }
        }
        let Some(consumer) = self.consumer.take() else { return };
        // A commit on its way to a coordinator that is gone keeps librdkafka from closing until
        // there is one again. Whoever drops a member has other things to do.
        let (done, closed) = sync_channel::<()>(1);
        let close = move || {
            drop(consumer);
            let _ = done.send(());
        };
        if std::thread::Builder::new().name("member-close".into()).spawn(close).is_ok()
            && closed.recv_timeout(Duration::from_millis(limits::LEAVE_MS)).is_err()
        {
            tracing::warn!("the group cannot be left now: others wait for the session's end");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_always_fits_its_session() {
        let heartbeat = |properties: &[(&str, &str)]| {
            let mut settings = KafkaSettings::new("localhost:9092");
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            settings.properties = properties.iter().map(owned).collect();
            heartbeat_ms(&settings)
        };
        let ours = limits::HEARTBEAT_MS.to_string();
        assert_eq!(heartbeat(&[]), ours);
        assert_eq!(heartbeat(&[("session.timeout.ms", "45000")]), ours);
        assert_eq!(heartbeat(&[("session.timeout.ms", "300")]), "100");
        assert_eq!(heartbeat(&[("session.timeout.ms", "1")]), "1");
        assert_eq!(heartbeat(&[("heartbeat.interval.ms", "3000")]), "3000");
        assert_eq!(heartbeat(&[("heartbeat.interval.ms", "30000")]), "3333");
        assert_eq!(heartbeat(&[("heartbeat.interval.ms", "0")]), "1");
        let both = [("heartbeat.interval.ms", "3000"), ("session.timeout.ms", "6000")];
        assert_eq!(heartbeat(&both), "2000");
    }

    #[test]
    fn what_librdkafka_does_not_take_is_refused_by_name() {
        for name in ["session.timeout.ms", "heartbeat.interval.ms"] {
            let mut settings = KafkaSettings::new("localhost:9092");
            settings.properties = vec![(name.into(), "soon".into())];
            let refused = Member::join(&settings, "group", None, "topic").err().unwrap();
            assert!(refused.to_string().contains(name), "{refused}");
        }
    }
}
