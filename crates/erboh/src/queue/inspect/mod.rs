//! Inspect: what a cluster says about itself. It asks and changes nothing.
//!
//! ```text
//!   metadata ─► brokers, partitions with replicas and ISR     settings ─► value and its source
//!   group ─► state and members      committed, bounds, times ─► how far the group is
//! ```
//!
//! Every answer is either what was asked for or a [`Trouble`], which names the right that is
//! missing where that is the cause.

mod answer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ConfigEntry, ConfigSource, ResourceSpecifier};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message as _;
use rdkafka::metadata::{Metadata, MetadataTopic};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

pub use answer::{Advertised, Copies, Group, GroupMember, Setting, Settings, Source, Trouble};

use super::limits;
use super::log;
use super::rights::{Resource, Right, is_denial};
use super::settings::{KafkaSettings, SettingsError};

/// What went wrong last on a connection: whether a right was missing, and the reason.
#[derive(Clone, Default)]
struct Signals(Arc<Mutex<(bool, String)>>);

impl Signals {
    fn last(&self) -> MutexGuard<'_, (bool, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Signals {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // What goes wrong becomes a finding; as a log line too it would be said twice.
        tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        if code != Some(Code::AllBrokersDown) {
            *self.last() = (is_denial(code), log::lasting(reason).to_owned());
        }
    }
}

impl ConsumerContext for Signals {}

/// Asks one cluster. Its methods block.
pub struct Inspector {
    settings: KafkaSettings,
    consumer: BaseConsumer<Signals>,
    admin: AdminClient<Signals>,
    signals: Signals,
    group: String,
}

impl Inspector {
    /// Clients that ask as `group`, without joining it.
    ///
    /// # Errors
    /// Only settings that librdkafka does not take.
    pub fn connect(settings: &KafkaSettings, group: &str) -> Result<Self, SettingsError> {
        let signals = Signals::default();
        let failed = |error: KafkaError| SettingsError(error.to_string());
        let consumer = consumer(settings, group, &signals).map_err(failed)?;
        let admin =
            settings.client(&[], &[]).create_with_context(signals.clone()).map_err(failed)?;
        Ok(Self { settings: settings.clone(), consumer, admin, signals, group: group.to_owned() })
    }

    /// The cluster's id and its brokers.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn brokers(&self) -> Result<Advertised, Trouble> {
        let client = self.consumer.client();
        let metadata =
            self.metadata(None).map_err(|error| self.trouble("list the brokers", &error, None))?;
        let brokers = metadata.brokers().iter();
        let place = |broker: &rdkafka::metadata::MetadataBroker| {
            (broker.id(), broker.host().to_owned(), u16::try_from(broker.port()).unwrap_or(0))
        };
        let mut brokers: Vec<_> = brokers.map(place).collect();
        brokers.sort_unstable();
        Ok(Advertised { cluster: client.fetch_cluster_id(lookup()), brokers })
    }

    /// The partitions of a topic, or `None` if there is no such topic.
    ///
    /// # Errors
    /// When no broker answers, or the user may not see the topic.
    pub fn copies(&self, topic: &str) -> Result<Option<Vec<Copies>>, Trouble> {
        let what = format!("look at topic {topic}");
        let metadata =
            self.metadata(Some(topic)).map_err(|error| self.trouble(&what, &error, None))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let code = found.and_then(MetadataTopic::error).map(Code::from);
        match (found, code) {
            (None, _) | (_, Some(Code::UnknownTopicOrPartition | Code::UnknownTopic)) => Ok(None),
            (Some(_), Some(code @ Code::TopicAuthorizationFailed)) => {
                Err(refused(what, code, right("Describe", Resource::Topic, topic)))
            }
            (Some(found), _) if !found.partitions().is_empty() => Ok(Some(copies(found))),
            (Some(_), code) => {
                let reason = code.map_or("it has no partitions".to_owned(), log::description);
                Err(Trouble { what, reason, missing: None })
            }
        }
    }

    /// Metadata from any broker. A client that has learned the brokers of the cluster no longer asks
    /// the bootstrap addresses, and waits in vain if it cannot reach what they advertise. A new
    /// client asks the bootstrap addresses, so further attempts are made with one each.
    fn metadata(&self, topic: Option<&str>) -> Result<Metadata, KafkaError> {
        let mut result = self.consumer.client().fetch_metadata(topic, lookup());
        for _ in 0..limits::METADATA_RETRIES {
            if !result.as_ref().is_err_and(is_unreachable) {
                break;
            }
            let consumer = consumer(&self.settings, &self.group, &self.signals)?;
            result = consumer.client().fetch_metadata(topic, limits::METADATA_RETRY_TIMEOUT);
        }
        result
    }

    /// The settings of a topic.
    ///
    /// # Errors
    /// When no broker answers, or the user may not see them.
    pub async fn topic_settings(&self, topic: &str) -> Result<Settings, Trouble> {
        let right = right("DescribeConfigs", Resource::Topic, topic);
        let what = format!("read the settings of topic {topic}");
        self.settings(what, ResourceSpecifier::Topic(topic), right).await
    }

    /// The settings of a broker. The broker itself is asked.
    ///
    /// # Errors
    /// When it does not answer, or the user may not see them.
    pub async fn broker_settings(&self, broker: i32) -> Result<Settings, Trouble> {
        let right = right("DescribeConfigs", Resource::Cluster, "");
        let what = format!("read the settings of broker {broker}");
        self.settings(what, ResourceSpecifier::Broker(broker), right).await
    }

    async fn settings(
        &self,
        what: String,
        resource: ResourceSpecifier<'_>,
        right: Right,
    ) -> Result<Settings, Trouble> {
        let options = AdminOptions::new().request_timeout(Some(lookup()));
        let answer = self.admin.describe_configs([&resource], &options).await;
        let resources = answer.map_err(|error| self.trouble(&what, &error, Some(right.clone())))?;
        let entries = match resources.into_iter().next() {
            Some(Ok(resource)) => resource.entries,
            Some(Err(code)) => return Err(refused(what, code, right)),
            None => Vec::new(),
        };
        if entries.is_empty() {
            // A topic or a broker always has settings. The binding does not hand on why they are
            // kept back, but there is only one reason to.
            let reason = "the broker shows none of them".to_owned();
            return Err(Trouble { what, reason, missing: Some(right) });
        }
        Ok(entries.into_iter().filter_map(setting).collect())
    }

    /// The group, or `None` if the cluster does not know it.
    ///
    /// # Errors
    /// When no broker answers, or the user may not see the group.
    pub fn group(&self) -> Result<Option<Group>, Trouble> {
        let what = format!("look at group {}", self.group);
        let right = right("Describe", Resource::Group, &self.group);
        let list = self
            .consumer
            .client()
            .fetch_group_list(Some(&self.group), lookup())
            .map_err(|error| self.trouble(&what, &error, Some(right)))?;
        let Some(found) = list.groups().iter().find(|found| found.name() == self.group) else {
            return Ok(None);
        };
        let members = found.members().iter().map(|member| GroupMember {
            id: member.id().to_owned(),
            client: member.client_id().to_owned(),
            host: member.client_host().trim_start_matches('/').to_owned(),
        });
        Ok(Some(Group { state: found.state().to_owned(), members: members.collect() }))
    }

    /// What the group has committed, by partition.
    ///
    /// # Errors
    /// When the coordinator does not answer, or the user may not ask.
    pub fn committed(&self, topic: &str, partitions: i32) -> Result<BTreeMap<i32, i64>, Trouble> {
        let what = format!("read what group {} has committed", self.group);
        let right = right("Describe", Resource::Group, &self.group);
        let answer = self.consumer.committed_offsets(list(topic, partitions), lookup());
        answer.map(|list| offsets(&list)).map_err(|error| self.trouble(&what, &error, Some(right)))
    }

    /// The first offset of each partition and the one after its last.
    ///
    /// # Errors
    /// When a leader does not answer, or the user may not ask.
    pub fn bounds(
        &self,
        topic: &str,
        partitions: i32,
    ) -> Result<BTreeMap<i32, (i64, i64)>, Trouble> {
        let ask = |place: Offset| {
            let mut list = list(topic, partitions);
            list.set_all_offsets(place)
                .and_then(|()| self.consumer.offsets_for_times(list, lookup()))
                .map(|list| offsets(&list))
                .map_err(|error| {
                    let right = right("Describe", Resource::Topic, topic);
                    self.trouble(&format!("find the ends of topic {topic}"), &error, Some(right))
                })
        };
        let (starts, ends) = (ask(Offset::Beginning)?, ask(Offset::End)?);
        let both = starts.into_iter().filter_map(|(p, start)| Some((p, (start, *ends.get(&p)?))));
        Ok(both.collect())
    }

    /// The timestamps, in milliseconds, of the first records at or after these offsets; partitions
    /// that have none there are left out.
    ///
    /// # Errors
    /// When the records do not come, or the user may not read the topic.
    pub fn times(
        &self,
        topic: &str,
        from: &BTreeMap<i32, i64>,
    ) -> Result<BTreeMap<i32, i64>, Trouble> {
        let what = format!("read the oldest uncounted record of topic {topic}");
        let missing = || Some(right("Read", Resource::Topic, topic));
        let mut list = TopicPartitionList::new();
        for (partition, offset) in from {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))
                .map_err(|error| self.trouble(&what, &error, None))?;
        }
        self.consumer
            .incremental_assign(&list)
            .map_err(|error| self.trouble(&what, &error, missing()))?;
        let deadline = Instant::now() + lookup();
        let (mut times, mut done) = (BTreeMap::new(), std::collections::BTreeSet::new());
        let result = loop {
            if done.len() == from.len() {
                break Ok(());
            }
            if Instant::now() >= deadline {
                let reason = "the records did not come in time".to_owned();
                break Err(Trouble { what, reason, missing: None });
            }
            match self.consumer.poll(Duration::from_millis(limits::POLL_MS)) {
                Some(Ok(record)) if done.insert(record.partition()) => {
                    let time = record.timestamp().to_millis();
                    times.extend(time.map(|time| (record.partition(), time)));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(done.insert(partition)),
                Some(Err(error)) => break Err(self.trouble(&what, &error, missing())),
                Some(Ok(_)) | None => {}
            }
        };
        // The client goes on to other questions or ends; a failure here changes neither.
        let _ = self.consumer.incremental_unassign(&list);
        result.map(|()| times)
    }

    /// `missing` is the right that an authorisation error would be about.
    fn trouble(&self, what: &str, error: &KafkaError, missing: Option<Right>) -> Trouble {
        // What happened to connections waits in the client's queue, among lines for the log.
        let mut waiting = 0..limits::REASONS;
        while waiting.next().is_some() && self.consumer.poll(limits::REASON_WAIT).is_some() {}
        let (denied, last) = self.signals.last().clone();
        let code = error.rdkafka_error_code();
        // "Broker transport failure" says less than what happened to the connection.
        let (denied, reason) = if is_unreachable(error) && !last.is_empty() {
            (denied, last)
        } else {
            (is_denial(code), log::reason(error))
        };
        Trouble { what: what.to_owned(), reason, missing: missing.filter(|_| denied) }
    }
}

/// A client that asks as `group`, without joining it.
fn consumer(
    settings: &KafkaSettings,
    group: &str,
    signals: &Signals,
) -> Result<BaseConsumer<Signals>, KafkaError> {
    let demands = [
        ("group.id", group),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "error"),
        // Else the question whether a topic exists would create it.
        ("allow.auto.create.topics", "false"),
        ("enable.partition.eof", "true"),
    ];
    settings
        .client(&[("fetch.message.max.bytes", "65536")], &demands)
        .create_with_context(signals.clone())
}

fn lookup() -> Duration {
    Duration::from_millis(limits::LOOKUP_TIMEOUT_MS)
}

/// Whether no broker answered; the reason is what happened to the connections.
fn is_unreachable(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::BrokerTransportFailure | Code::OperationTimedOut | Code::AllBrokersDown)
    )
}

fn right(operation: &'static str, resource: Resource, name: &str) -> Right {
    Right { operation, resource, name: name.to_owned() }
}

fn refused(what: String, code: Code, right: Right) -> Trouble {
    Trouble { what, reason: log::description(code), missing: Some(right) }
}

fn copies(topic: &MetadataTopic) -> Vec<Copies> {
    let mut copies: Vec<Copies> = topic
        .partitions()
        .iter()
        .map(|partition| Copies {
            partition: partition.id(),
            leader: Some(partition.leader()).filter(|leader| *leader >= 0),
            replicas: partition.replicas().to_vec(),
            in_sync: partition.isr().to_vec(),
        })
        .collect();
    copies.sort_unstable_by_key(|copies| copies.partition);
    copies
}

fn setting(entry: ConfigEntry) -> Option<(String, Setting)> {
    let source = match entry.source {
        ConfigSource::DynamicTopic => Source::Topic,
        ConfigSource::DynamicBroker => Source::Broker,
        ConfigSource::DynamicDefaultBroker => Source::AllBrokers,
        ConfigSource::StaticBroker => Source::File,
        ConfigSource::Default => Source::Default,
        ConfigSource::Unknown => Source::Unknown,
    };
    Some((entry.name, Setting { value: entry.value?, source }))
}

fn list(topic: &str, partitions: i32) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, partitions - 1);
    list
}

/// The plain offsets of a list; partitions with an error or a symbolic offset are left out.
fn offsets(list: &TopicPartitionList) -> BTreeMap<i32, i64> {
    let elements = list.elements();
    let known = elements.iter().filter_map(|element| match (element.error(), element.offset()) {
        (Ok(()), Offset::Offset(offset)) => Some((element.partition(), offset)),
        _ => None,
    });
    known.collect()
}
