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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use rdkafka::types::RDKafkaRespErr;

use super::limits;
use super::log;
use super::settings::{KafkaSettings, SettingsError};

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
            GroupEvent::Assigned(partitions)
        } else {
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

/// One member of a consumer group.
pub struct Member {
    consumer: BaseConsumer<Signals>,
    signals: Signals,
    topic: String,
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
        let heartbeat = limits::HEARTBEAT_MS.to_string();
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
        ];
        // Under KIP-848, which a property may switch on, the broker decides these.
        if settings.property("group.protocol") != Some("consumer") {
            choices.push(("session.timeout.ms", &session));
            choices.push(("heartbeat.interval.ms", &heartbeat));
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
        Ok(Self { consumer, signals, topic: topic.into() })
    }

    /// Serves the group without waiting; returns what happened, oldest first, one at a time.
    pub fn poll(&self) -> Option<GroupEvent> {
        if let Some(Err(error)) = self.consumer.poll(Duration::ZERO) {
            let fatal = self.consumer.client().fatal_error();
            let code = fatal.as_ref().map(|(code, _)| *code).or(error.rdkafka_error_code());
            if fatal.is_some() || code == Some(Code::GroupAuthorizationFailed) {
                let reason = fatal.map_or_else(|| error.to_string(), |(_, reason)| reason);
                let replaced = code == Some(Code::FencedInstanceId);
                return Some(GroupEvent::Fatal { reason, replaced });
            }
            tracing::debug!(%error, "group member");
        }
        self.signals.events().pop_front()
    }

    /// Takes newly assigned partitions.
    pub fn accept(&self, partitions: &[i32]) {
        let list = self.list(partitions.iter().map(|partition| (*partition, Offset::End)));
        // Paused before and after, because a partition that is not known yet cannot be paused
        // before, and one that is known would be fetched in between.
        let _ = self.consumer.pause(&list);
        if let Err(error) = self.consumer.incremental_assign(&list) {
            tracing::warn!(%error, ?partitions, "cannot take assigned partitions");
        }
        if let Err(error) = self.consumer.pause(&list) {
            tracing::debug!(%error, ?partitions, "cannot pause partitions of the group member");
        }
    }

    /// Gives revoked partitions up.
    pub fn release(&self, partitions: &[i32]) {
        let list = self.list(partitions.iter().map(|partition| (*partition, Offset::Invalid)));
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            tracing::warn!(%error, ?partitions, "cannot give partitions up");
        }
    }

    /// Commits the next offset of a partition. With `wait`, until the broker has answered.
    pub fn commit(&self, partition: i32, next_offset: i64, wait: bool) {
        let list = self.list([(partition, Offset::Offset(next_offset))]);
        let mode = if wait { CommitMode::Sync } else { CommitMode::Async };
        if let Err(error) = self.consumer.commit(&list, mode) {
            tracing::debug!(%error, partition, next_offset, "the group offset was not committed");
        }
    }

    /// Whether some commit has failed since this was last asked.
    #[must_use]
    pub fn take_commit_failure(&self) -> bool {
        self.signals.0.commit_failed.swap(false, Ordering::AcqRel)
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
    }
}
