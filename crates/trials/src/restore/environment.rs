//! The environment of the benchmark: a broker, and consumers on demand.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use erboh::queue::{KafkaSettings, Topics};
use erboh_testbed::Child;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde::Deserialize;

use crate::broker::{Broker, Kind};
use crate::start::{self, POLL_INTERVAL, TIMEOUT, spawn};

/// Timeout of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// The default group of consumers.
const GROUP: &str = "voiceRatingConsumer";

/// A broker, and what is needed to start consumers.
pub(super) struct Environment {
    pub(super) partitions: u32,
    pub(super) bootstrap: String,
    erboh: PathBuf,
    directory: PathBuf,
    started: AtomicU32,
    group: BaseConsumer,
    broker: Broker,
}

/// The state of one partition according to a replica.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct PartitionView {
    pub(super) partition: i32,
    pub(super) position: i64,
    state: String,
}

impl PartitionView {
    pub(super) fn is_owned(&self) -> bool {
        self.state == "owned"
    }
}

#[derive(Deserialize)]
struct Partitions {
    partitions: Vec<PartitionView>,
}

/// A process of `erboh consumer`.
pub(super) struct Consumer {
    pub(super) process: Child,
    agent: ureq::Agent,
    url: String,
}

impl Environment {
    /// Starts a broker without topics.
    pub(super) fn set_up(
        kind: Kind,
        erboh: &Path,
        directory: &Path,
        partitions: u32,
    ) -> anyhow::Result<Self> {
        let directory = directory.join(kind.name().replace(' ', "-"));
        start::empty(&directory)?;
        let broker = Broker::start(kind, erboh, &directory)?;
        let bootstrap = broker.bootstrap.clone();
        let group = ClientConfig::new().set("bootstrap.servers", &bootstrap).create();
        let group: BaseConsumer = group.context("the Kafka client for the group")?;
        let (erboh, started) = (erboh.to_owned(), AtomicU32::new(0));
        Ok(Self { partitions, bootstrap, erboh, directory, started, group, broker })
    }

    /// The settings of erboh's own Kafka clients.
    pub(super) fn kafka(&self) -> KafkaSettings {
        KafkaSettings::new(self.bootstrap.clone())
    }

    pub(super) fn topics() -> Topics {
        Topics::default()
    }

    /// Starts a consumer without waiting.
    pub(super) fn start_consumer(&self) -> anyhow::Result<Consumer> {
        let ports = erboh_testbed::free_ports(2).map_err(|reason| anyhow!(reason))?;
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let arguments = [
            "consumer".to_owned(),
            format!("--brokers={}", self.bootstrap),
            format!("--listen=127.0.0.1:{}", ports[0]),
            format!("--ops-listen=127.0.0.1:{}", ports[1]),
            format!("--partitions={}", self.partitions),
        ];
        let log = self.directory.join(format!("consumer-{number}.log"));
        let process = spawn(&self.erboh, &arguments, &log)?;
        let agent =
            ureq::Agent::config_builder().timeout_global(Some(REQUEST_TIMEOUT)).build().into();
        let url = format!("http://127.0.0.1:{}/api/v1/partitions", ports[0]);
        Ok(Consumer { process, agent, url })
    }

    /// Waits until the group is stable with this number of members.
    pub(super) fn wait_for_members(&self, members: usize) -> anyhow::Result<()> {
        let end = Instant::now() + TIMEOUT;
        let mut seen = String::new();
        while Instant::now() < end {
            // A coordinator that is not available yet causes an error.
            if let Ok(list) = self.group.fetch_group_list(Some(GROUP), REQUEST_TIMEOUT)
                && let Some(group) = list.groups().iter().find(|group| group.name() == GROUP)
            {
                let stable = matches!(group.state(), "Stable" | "Empty" | "Dead");
                if stable && group.members().len() == members {
                    return Ok(());
                }
                seen = format!("{} with {} members", group.state(), group.members().len());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the group was never stable with {members} members; last: {seen}")
    }

    /// The high watermark of each partition of the ratings.
    pub(super) fn ends(&self) -> anyhow::Result<Vec<i64>> {
        let topic = Self::topics().ratings;
        let end = |partition| {
            let (_, end) = self.group.fetch_watermarks(&topic, partition, TIMEOUT)?;
            Ok(end)
        };
        (0..self.partitions as i32).map(end).collect()
    }

    /// Stops the broker and removes its data.
    pub(super) fn tear_down(self) -> anyhow::Result<()> {
        let Self { broker, group, directory, .. } = self;
        drop(group);
        drop(broker);
        std::fs::remove_dir_all(&directory)
            .with_context(|| format!("removing {}", directory.display()))
    }
}

impl Consumer {
    /// The state of its partitions; `None` while it does not respond.
    pub(super) fn partitions(&self) -> Option<Vec<PartitionView>> {
        let text = self.agent.get(&self.url).call().ok()?.body_mut().read_to_string().ok()?;
        Some(serde_json::from_str::<Partitions>(&text).ok()?.partitions)
    }

    /// Polls the partitions until `wanted` is true.
    pub(super) fn until(
        &self,
        what: &str,
        mut wanted: impl FnMut(&[PartitionView]) -> bool,
    ) -> anyhow::Result<Vec<PartitionView>> {
        let end = Instant::now() + 10 * TIMEOUT;
        let mut last = None;
        while Instant::now() < end {
            if let Some(view) = self.partitions() {
                if wanted(&view) {
                    return Ok(view);
                }
                last = Some(view);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        bail!("{} never showed {what}; last: {last:?}", self.url)
    }
}
