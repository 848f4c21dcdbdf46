//! Admin: makes the topics that are missing and checks those that exist, or only does the latter.
//!
//! What exists is never changed, with one exception: the totals topic gets partitions when the
//! ratings topic has more, because the snapshots of ratings partition p live in totals
//! partition p.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
    TopicResult,
};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::absent::Absent;
use super::limits;
use super::log;
use super::refusal::Explainer;
use super::rights::{Right, is_denial};
use super::settings::{KafkaSettings, SettingsError};
use super::topics::{TopicSetting, Topics};
use crate::limits::{SNAPSHOT_BYTES_MAX, VOICES_MAX};

/// Why a topic cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// No answer, or an answer that may be another one later.
    #[error("cannot {what} on {brokers}: {reason}")]
    Failed {
        /// What was to be done.
        what: String,
        /// Who was asked.
        brokers: String,
        /// What came back.
        reason: String,
    },
    /// The user may not do it.
    #[error("cannot {what}: {missing}")]
    Denied {
        /// What was to be done.
        what: String,
        /// The right that is missing, and how to grant it.
        missing: String,
    },
    /// A topic is not there, or must not be seen.
    #[error("{0}")]
    Absent(String),
    /// A topic exists with a setting under which totals would be lost.
    #[error("topic {topic} has {setting}={value}, but erboh needs {needed}; mend it with: {fix}")]
    Misconfigured {
        /// The topic.
        topic: String,
        /// The setting.
        setting: String,
        /// Its value.
        value: String,
        /// The value that erboh needs.
        needed: String,
        /// The command that sets it.
        fix: String,
    },
}

struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log::forward(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "admin");
    }
}

/// Administers topics. Clones share one client.
#[derive(Clone)]
pub struct Admin {
    client: Arc<AdminClient<Quiet>>,
    explainer: Explainer,
    settings: KafkaSettings,
}

impl Admin {
    /// A client for administration. Returns at once; nothing is asked yet.
    ///
    /// # Errors
    /// Only settings that librdkafka does not take.
    pub fn connect(settings: &KafkaSettings) -> Result<Self, SettingsError> {
        let client = settings
            .client(&[], &[])
            .create_with_context(Quiet)
            .map_err(|error| SettingsError(error.to_string()))?;
        let explainer = Explainer::new(settings);
        Ok(Self { client: Arc::new(client), explainer, settings: settings.clone() })
    }

    /// Creates those of the three topics that are missing and checks the others.
    ///
    /// `partitions` counts for a new ratings topic; the totals topic always gets as many as the
    /// ratings topic has. A `replication` of -1 leaves the number of copies to the broker.
    ///
    /// # Errors
    /// [`AdminError::Failed`] may go away by itself; [`AdminError::Misconfigured`] needs a person.
    pub async fn ensure_topics(
        &self,
        topics: &Topics,
        partitions: i32,
        replication: i32,
    ) -> Result<(), AdminError> {
        let copies = if replication >= 3 { "2" } else { "1" };
        // Without replicas to choose from, the broker's own minimum stays.
        let with_copies = |mut config: Vec<TopicSetting>| {
            if replication > 0 {
                config.push(("min.insync.replicas", copies.into()));
            }
            config
        };
        let mut existing = self.partitions(&topics.ratings).await?;
        if existing == 0 {
            let config = Topics::ratings_settings();
            if !self.create(&topics.ratings, partitions, replication, &with_copies(config)).await? {
                existing = self.visible(&topics.ratings).await?;
            }
        }
        let partitions = if existing == 0 { partitions } else { existing };

        let mut existing = self.partitions(&topics.totals).await?;
        if existing == 0 {
            let config = Topics::totals_settings();
            if !self.create(&topics.totals, partitions, replication, &with_copies(config)).await? {
                // Somebody else was faster, and may have wanted something else.
                existing = self.visible(&topics.totals).await?;
            }
        }
        if existing > 0 {
            self.demand_compaction(&topics.totals).await?;
            if existing < partitions {
                self.add_partitions(&topics.totals, partitions).await?;
            }
        }

        if self.partitions(&topics.dead_letters).await? == 0 {
            let config = Topics::dead_letters_settings();
            self.create(&topics.dead_letters, partitions, replication, &with_copies(config))
                .await?;
        }
        Ok(())
    }

    /// Checks the topics without which nothing can be counted, and changes nothing.
    ///
    /// # Errors
    /// As [`Admin::ensure_topics`]; [`AdminError::Absent`] for one that is not there.
    pub async fn check_topics(&self, topics: &Topics) -> Result<(), AdminError> {
        for topic in [&topics.ratings, &topics.totals] {
            if self.partitions(topic).await? == 0 {
                let (settings, topic) = (self.settings.clone(), topic.clone());
                let what = format!("list the topic {topic}");
                let look = tokio::task::spawn_blocking(move || Absent::look(&settings, &topic));
                let absent = look.await.map_err(|error| self.failed(what, error))?;
                return Err(AdminError::Absent(absent.reason));
            }
        }
        self.demand_compaction(&topics.totals).await
    }

    /// The number of partitions of a topic, 0 if it does not exist.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn partitions(&self, topic: &str) -> Result<i32, AdminError> {
        let (client, explainer) = (Arc::clone(&self.client), self.explainer.clone());
        // All topics are listed, because the question for one creates it on many brokers.
        let list = move |timeout| client.inner().fetch_metadata(None, timeout);
        let all = tokio::task::spawn_blocking(move || {
            // No callback of this client is served, so that it has to be found out what is wrong.
            let first = match list(limits::PATIENCE) {
                Ok(metadata) => return Ok(metadata),
                Err(error) => error,
            };
            let why = explainer.explain(&log::reason(&first));
            if why.is_lasting {
                return Err(why.text);
            }
            let timeout =
                Duration::from_millis(limits::ADMIN_TIMEOUT_MS).saturating_sub(limits::PATIENCE);
            list(timeout).map_err(|error| explainer.explain(&log::reason(&error)).text)
        });
        let what = || format!("list the topic {topic}");
        let metadata = all
            .await
            .map_err(|error| self.failed(what(), error))?
            .map_err(|reason| self.failed(what(), reason))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        Ok(found.map_or(0, |found| found.partitions().len() as i32))
    }

    /// Creates a topic: true if it is new. One that exists already is left as it is.
    ///
    /// # Errors
    /// When no broker answers or the broker refuses.
    pub async fn create(
        &self,
        topic: &str,
        partitions: i32,
        replication: i32,
        config: &[(&str, String)],
    ) -> Result<bool, AdminError> {
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(replication));
        for (key, value) in config {
            new = new.set(key, value);
        }
        let results = self.client.create_topics([&new], &options()).await;
        match single(results) {
            Ok(()) => {
                tracing::info!(topic, partitions, replication, "created a topic");
                Ok(true)
            }
            Err(refusal) if refusal.code == Some(Code::TopicAlreadyExists) => Ok(false),
            Err(refusal) => {
                // A topic that must not be seen looks like one that is not there.
                let what = format!("see or create the topic {topic}");
                let mut refused = self.refused(what, refusal, &Right::on_topic("Create", topic));
                if let AdminError::Denied { missing, .. } = &mut refused {
                    missing.push_str("; or, if the topic is there already, the right Describe");
                }
                Err(refused)
            }
        }
    }

    /// Deletes a topic and everything in it. One that does not exist is no error.
    ///
    /// # Errors
    /// When no broker answers or the broker refuses.
    pub async fn delete(&self, topic: &str) -> Result<(), AdminError> {
        let results = self.client.delete_topics(&[topic], &options()).await;
        match single(results) {
            Err(refusal) if refusal.code != Some(Code::UnknownTopicOrPartition) => {
                let right = Right::on_topic("Delete", topic);
                Err(self.refused(format!("delete the topic {topic}"), refusal, &right))
            }
            _ => Ok(()),
        }
    }

    /// Gives a topic more partitions, `total` in all.
    ///
    /// # Errors
    /// When no broker answers or the broker refuses.
    pub async fn add_partitions(&self, topic: &str, total: i32) -> Result<(), AdminError> {
        let new = NewPartitions::new(topic, total as usize);
        let results = self.client.create_partitions([&new], &options()).await;
        match single(results) {
            Ok(()) => {
                tracing::info!(topic, partitions = total, "added partitions to a topic");
                Ok(())
            }
            // Another replica may have been faster.
            Err(_) if self.partitions(topic).await? >= total => Ok(()),
            Err(refusal) => {
                let what = format!("give {total} partitions to the topic {topic}");
                Err(self.refused(what, refusal, &Right::on_topic("Alter", topic)))
            }
        }
    }

    /// Deletes the records of a partition before an offset.
    ///
    /// # Errors
    /// When no broker answers or the broker refuses.
    pub async fn delete_records(
        &self,
        topic: &str,
        partition: i32,
        before: i64,
    ) -> Result<(), AdminError> {
        let what = || format!("delete records of the topic {topic}");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before))
            .map_err(|error| self.failed(what(), log::reason(&error)))?;
        let deleted = self.client.delete_records(&list, &options()).await;
        deleted.map(|_| ()).map_err(|error| self.failed(what(), log::reason(&error)))
    }

    /// The value of a setting of a topic, if the broker tells.
    ///
    /// # Errors
    /// When no broker answers or the broker refuses.
    pub async fn setting(&self, topic: &str, name: &str) -> Result<Option<String>, AdminError> {
        let what = || format!("read the settings of the topic {topic}");
        let results = self
            .client
            .describe_configs([&ResourceSpecifier::Topic(topic)], &options())
            .await
            .map_err(|error| self.failed(what(), log::reason(&error)))?;
        let Some(result) = results.into_iter().next() else { return Ok(None) };
        let resource = result.map_err(|code| self.failed(what(), log::description(code)))?;
        Ok(resource.get(name).and_then(|entry| entry.value.clone()))
    }

    /// The number of partitions of a topic that exists. A broker may hear of it later than the
    /// controller that said so.
    async fn visible(&self, topic: &str) -> Result<i32, AdminError> {
        let end = Instant::now() + Duration::from_millis(limits::ADMIN_TIMEOUT_MS);
        loop {
            let partitions = self.partitions(topic).await?;
            if partitions > 0 {
                return Ok(partitions);
            }
            if Instant::now() >= end {
                let reason = "it exists, but the brokers do not list it";
                return Err(self.failed(format!("list the topic {topic}"), reason));
            }
            tokio::time::sleep(Duration::from_millis(limits::VISIBLE_POLL_MS)).await;
        }
    }

    async fn demand_compaction(&self, topic: &str) -> Result<(), AdminError> {
        let value = match self.setting(topic, "cleanup.policy").await {
            Ok(Some(value)) => value,
            Ok(None) => {
                // Kafka answers a missing right with no settings at all.
                let missing = Right::on_topic("DescribeConfigs", topic).missing(&self.settings);
                tracing::warn!("cannot check that the totals topic is compacted: {missing}");
                return Ok(());
            }
            Err(error) => {
                // Some clusters let nobody read settings; the topic may well be right.
                tracing::warn!(%error, "cannot check that the totals topic is compacted");
                return Ok(());
            }
        };
        if value == "compact" {
            return Ok(());
        }
        Err(AdminError::Misconfigured {
            topic: topic.into(),
            setting: "cleanup.policy".into(),
            value,
            needed: "compact (any other policy deletes the totals of a quiet partition)".into(),
            fix: self.alter(topic, "cleanup.policy=compact"),
        })
    }

    /// What is wrong if a snapshot of as many voices as are counted does not fit into the totals
    /// topic. Few clusters ever see so many, so that it is no reason not to count.
    ///
    /// # Errors
    /// When no broker answers or the broker refuses.
    pub async fn small_messages(&self, topic: &str) -> Result<Option<String>, AdminError> {
        let value = self.setting(topic, "max.message.bytes").await?;
        let is_small =
            |value: &String| value.parse().is_ok_and(|bytes: usize| bytes < SNAPSHOT_BYTES_MAX);
        Ok(value.filter(is_small).map(|value| format!(
            "topic {topic} has max.message.bytes={value}, but the totals of {VOICES_MAX} voices can \
             take {SNAPSHOT_BYTES_MAX}: counting would pause when they no longer fit; mend it with: {}",
            self.alter(topic, &format!("max.message.bytes={SNAPSHOT_BYTES_MAX}"))
        )))
    }

    /// The command that changes a setting of a topic.
    fn alter(&self, topic: &str, setting: &str) -> String {
        format!(
            "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name \
             {topic} --add-config {setting}",
            self.settings.brokers
        )
    }

    fn refused(&self, what: String, refusal: Refusal, right: &Right) -> AdminError {
        if is_denial(refusal.code) {
            AdminError::Denied { what, missing: right.missing(&self.settings) }
        } else {
            self.failed(what, refusal.reason)
        }
    }

    fn failed(&self, what: String, reason: impl std::fmt::Display) -> AdminError {
        AdminError::Failed {
            what,
            brokers: self.settings.brokers.clone(),
            reason: reason.to_string(),
        }
    }
}

/// Why a request for one topic failed.
struct Refusal {
    code: Option<Code>,
    reason: String,
}

/// The one result of a request for one topic.
fn single(results: Result<Vec<TopicResult>, KafkaError>) -> Result<(), Refusal> {
    let refusal = |code, reason| Err(Refusal { code, reason });
    match results.map(|results| results.into_iter().next()) {
        Ok(Some(Ok(_))) => Ok(()),
        Ok(Some(Err((_, code)))) => refusal(Some(code), log::description(code)),
        Ok(None) => refusal(None, "the answer names no topic".into()),
        Err(error) => refusal(None, log::reason(&error)),
    }
}

fn options() -> AdminOptions {
    let timeout = Duration::from_millis(limits::ADMIN_TIMEOUT_MS);
    AdminOptions::new().request_timeout(Some(timeout)).operation_timeout(Some(timeout))
}
