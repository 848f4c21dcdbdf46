//! Broker: one node to measure on, erboh's own or Apache Kafka.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use clap::ValueEnum;
use erboh_testbed::{Child, Cluster, ClusterSettings, Tuning};

use crate::memory;
use crate::start::{free_addresses, spawn};

/// Heap of Apache Kafka, as large as its own start script makes it.
const HEAP_MB: u32 = 1_024;
/// How long a broker may take to start: a JVM needs seconds, and on a busy machine many of them.
const START_MAX: Duration = Duration::from_mins(2);
/// How often a starting broker is asked. Each attempt is one refused connection, which costs
/// microseconds, so that the measured time is right to about a millisecond.
const ASK_EVERY: Duration = Duration::from_millis(1);
/// An `ApiVersions` request, version 0: size 10, key 18, version 0, correlation id 7, no client id.
const API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// Which broker.
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
    /// From the start of the process to the first answered `ApiVersions`.
    pub(crate) startup: Duration,
    running: Running,
}

enum Running {
    Embedded(Child),
    Kafka(Box<Cluster>),
}

impl Broker {
    /// Starts a broker that has no topics, with its data in `directory`, and waits until it serves.
    pub(crate) fn start(kind: Kind, erboh: &Path, directory: &Path) -> anyhow::Result<Self> {
        let (began, bootstrap, running) = match kind {
            Kind::Embedded => embedded(erboh, directory)?,
            Kind::Kafka => apache_kafka(directory).map_err(|reason| anyhow!(reason))?,
        };
        let address = bootstrap.parse().context("the broker's address")?;
        let mut broker = Self { bootstrap, startup: Duration::ZERO, running };
        while !answers(address) {
            if broker.has_ended() {
                bail!("the broker has ended; its log is in {}", directory.display());
            }
            if began.elapsed() > START_MAX {
                bail!("nothing answered on {address}; the log is in {}", directory.display());
            }
            std::thread::sleep(ASK_EVERY);
        }
        broker.startup = began.elapsed();
        if let Running::Kafka(cluster) = &broker.running {
            cluster.wait_until_serving(1).map_err(|reason| anyhow!(reason))?;
        }
        Ok(broker)
    }

    fn has_ended(&mut self) -> bool {
        match &mut self.running {
            Running::Embedded(process) => !process.is_running(),
            Running::Kafka(cluster) => !cluster.is_up(1),
        }
    }

    /// Its resident memory in MB.
    pub(crate) fn resident_mb(&self) -> anyhow::Result<f64> {
        let pid = match &self.running {
            Running::Embedded(process) => Some(process.pid()),
            Running::Kafka(cluster) => cluster.pid(1),
        };
        pid.and_then(memory::resident_mb).context("the memory of the broker is not known")
    }
}

fn embedded(erboh: &Path, directory: &Path) -> anyhow::Result<(Instant, String, Running)> {
    let [address] = free_addresses()?;
    let arguments = [
        "broker".to_owned(),
        format!("--listen={address}"),
        format!("--data-dir={}", directory.join("data").display()),
    ];
    let began = Instant::now();
    let process = spawn(erboh, &arguments, &directory.join("broker.log"))?;
    Ok((began, address.to_string(), Running::Embedded(process)))
}

/// As its own start script would start it, with its own defaults.
fn apache_kafka(directory: &Path) -> Result<(Instant, String, Running), String> {
    let mut cluster = Cluster::prepare(&ClusterSettings {
        tuning: Tuning::Kafka,
        heap_mb: HEAP_MB,
        directory: Some(directory.join("kafka")),
        ..ClusterSettings::default()
    })?;
    let began = Instant::now();
    cluster.start_without_waiting(1)?;
    Ok((began, cluster.bootstrap(), Running::Kafka(Box::new(cluster))))
}

/// Whether the broker at `address` answers an `ApiVersions` request.
fn answers(address: SocketAddr) -> bool {
    let exchange = || -> std::io::Result<[u8; 10]> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(&API_VERSIONS)?;
        // Size, correlation id, error code.
        let mut answer = [0; 10];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    exchange().is_ok_and(|answer| answer[4..] == [0, 0, 0, 7, 0, 0])
}
