//! Broker: one node to measure on, erboh's own or Apache Kafka.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Instant;

use anyhow::{anyhow, bail};
use clap::ValueEnum;
use erboh_testbed::{Child, Cluster, ClusterSettings, Tuning};

use crate::start::{LOOK_EVERY, PATIENCE, free_addresses, spawn};

/// Heap of the broker, as large as Kafka's own start script makes it.
const HEAP_MB: u32 = 1_024;

/// A broker to measure on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// `erboh broker`
    Embedded,
    /// One node of Apache Kafka
    Kafka,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Kafka => "Apache Kafka",
        }
    }
}

/// A running broker; it ends when this is dropped.
pub(crate) struct Broker {
    pub(crate) bootstrap: String,
    _running: Running,
}

enum Running {
    Embedded { _broker: Child },
    Kafka { _cluster: Box<Cluster> },
}

impl Broker {
    /// Starts a broker that has no topics, with its data in `directory`.
    pub(crate) fn start(kind: Kind, erboh: &Path, directory: &Path) -> anyhow::Result<Self> {
        match kind {
            Kind::Embedded => Self::embedded(erboh, directory),
            Kind::Kafka => Self::kafka(directory),
        }
    }

    fn embedded(erboh: &Path, directory: &Path) -> anyhow::Result<Self> {
        let [address] = free_addresses()?;
        let arguments = [
            "broker".to_owned(),
            format!("--listen={address}"),
            format!("--data-dir={}", directory.join("data").display()),
        ];
        let log = directory.join("broker.log");
        let broker = spawn(erboh, &arguments, &log)?;
        until_listening(address, &log)?;
        Ok(Self { bootstrap: address.to_string(), _running: Running::Embedded { _broker: broker } })
    }

    fn kafka(directory: &Path) -> anyhow::Result<Self> {
        let settings = ClusterSettings {
            tuning: Tuning::Kafka,
            heap_mb: HEAP_MB,
            directory: Some(directory.join("kafka")),
            ..ClusterSettings::default()
        };
        let cluster = Cluster::start(&settings).map_err(|reason| anyhow!(reason))?;
        let bootstrap = cluster.bootstrap();
        Ok(Self { bootstrap, _running: Running::Kafka { _cluster: Box::new(cluster) } })
    }
}

fn until_listening(address: SocketAddr, log: &Path) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        if Instant::now() >= end {
            bail!("nothing ever listened on {address}; see {}", log.display());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}
