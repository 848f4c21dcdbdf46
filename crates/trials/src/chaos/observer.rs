//! Observes the cluster directly, without the links.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::metadata::MetadataTopic;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::fault::{BROKERS, PARTITIONS};
use crate::ratings::totals::Position;

/// The ratings topic.
pub(super) const RATINGS: &str = "erboh-ratings";
/// The totals topic.
pub(super) const TOTALS: &str = "erboh-totals";
/// The dead letter topic.
pub(super) const DEAD_LETTERS: &str = "erboh-dead-letters";
/// The group of the consumers.
pub(super) const GROUP: &str = "chaos";

/// Timeout of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A Kafka client for metadata and offsets.
pub(super) struct Observer {
    client: BaseConsumer,
}

impl Observer {
    /// Connects to the cluster.
    pub(super) fn connect(bootstrap: &str) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("group.id", GROUP);
        config.set("reconnect.backoff.max.ms", "500").set("enable.auto.commit", "false");
        // Brokers are down on purpose, so their connection errors are not logged.
        config.set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg);
        Ok(Self { client: config.create().context("the observer's Kafka client")? })
    }

    /// The leader of a partition of the ratings.
    pub(super) fn leader(&self, partition: i32) -> anyhow::Result<u32> {
        let metadata = self.client.fetch_metadata(Some(RATINGS), REQUEST_TIMEOUT)?;
        let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
        let found = partitions.into_iter().find(|found| found.id() == partition);
        let leader = found.context("the partition does not exist")?.leader();
        u32::try_from(leader).ok().context("the partition has no leader")
    }

    /// Whether all brokers are alive and no partition is under-replicated.
    pub(super) fn is_in_sync(&self) -> bool {
        let Ok(metadata) = self.client.fetch_metadata(None, REQUEST_TIMEOUT) else { return false };
        let mut partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
        metadata.brokers().len() == BROKERS as usize
            && partitions.all(|found| found.isr().len() == found.replicas().len())
    }

    /// The log start offset and the high watermark of a partition.
    pub(super) fn watermarks(&self, topic: &str, partition: i32) -> anyhow::Result<(i64, i64)> {
        let found = self.client.fetch_watermarks(topic, partition, REQUEST_TIMEOUT);
        found.with_context(|| format!("the watermarks of partition {partition} of {topic}"))
    }

    /// The high watermarks of the ratings.
    pub(super) fn ends(&self) -> anyhow::Result<Position> {
        let end = |partition| Ok((partition, self.watermarks(RATINGS, partition)?.1));
        (0..PARTITIONS).map(end).collect()
    }

    /// The committed offsets of the group.
    pub(super) fn committed(&self) -> anyhow::Result<Position> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(RATINGS, 0, PARTITIONS - 1);
        let list = self.client.committed_offsets(list, REQUEST_TIMEOUT)?;
        let known = |(partition, offset): ((String, i32), Offset)| match offset {
            Offset::Offset(offset) => Some((partition.1, offset)),
            _ => None,
        };
        Ok(list.to_topic_map().into_iter().filter_map(known).collect::<BTreeMap<_, _>>())
    }
}
