//! Observer: what the brokers say about themselves, asked past all proxies.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::metadata::MetadataTopic;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::fault::{BROKERS, PARTITIONS};
use crate::ratings::totals::Position;

/// The topic of the ratings.
pub(super) const RATINGS: &str = "erboh-ratings";
/// The topic of the snapshots.
pub(super) const TOTALS: &str = "erboh-totals";
/// The topic of what is no rating.
pub(super) const DEAD_LETTERS: &str = "erboh-dead-letters";
/// The group that the consumers join.
pub(super) const GROUP: &str = "chaos";

/// How long one question may take.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Asks brokers.
pub(super) struct Observer {
    client: BaseConsumer,
}

impl Observer {
    /// An observer of the cluster behind these addresses.
    pub(super) fn connect(bootstrap: &str) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("group.id", GROUP);
        config.set("reconnect.backoff.max.ms", "500").set("enable.auto.commit", "false");
        // What a broker that is down says is not news here.
        config.set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg);
        Ok(Self { client: config.create().context("the observer's Kafka client")? })
    }

    /// The broker that leads a partition of the ratings.
    pub(super) fn leader(&self, partition: i32) -> anyhow::Result<u32> {
        let metadata = self.client.fetch_metadata(Some(RATINGS), ANSWER_WAIT)?;
        let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
        let found = partitions.into_iter().find(|found| found.id() == partition);
        let leader = found.context("the partition is not there")?.leader();
        u32::try_from(leader).ok().context("the partition has no leader")
    }

    /// Whether all brokers are there and every partition has all of its replicas in sync.
    pub(super) fn is_whole(&self) -> bool {
        let Ok(metadata) = self.client.fetch_metadata(None, ANSWER_WAIT) else { return false };
        let mut partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
        metadata.brokers().len() == BROKERS as usize
            && partitions.all(|found| found.isr().len() == found.replicas().len())
    }

    /// The first offset of a partition, and the one after its last record.
    pub(super) fn watermarks(&self, topic: &str, partition: i32) -> anyhow::Result<(i64, i64)> {
        let found = self.client.fetch_watermarks(topic, partition, ANSWER_WAIT);
        found.with_context(|| format!("the ends of partition {partition} of {topic}"))
    }

    /// Where the ratings end.
    pub(super) fn ends(&self) -> anyhow::Result<Position> {
        let end = |partition| Ok((partition, self.watermarks(RATINGS, partition)?.1));
        (0..PARTITIONS).map(end).collect()
    }

    /// What the group has committed.
    pub(super) fn committed(&self) -> anyhow::Result<Position> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(RATINGS, 0, PARTITIONS - 1);
        let list = self.client.committed_offsets(list, ANSWER_WAIT)?;
        let known = |(partition, offset): ((String, i32), Offset)| match offset {
            Offset::Offset(offset) => Some((partition.1, offset)),
            _ => None,
        };
        Ok(list.to_topic_map().into_iter().filter_map(known).collect::<BTreeMap<_, _>>())
    }
}
