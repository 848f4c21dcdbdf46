//! One broker process to measure: the embedded broker or Apache Kafka.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use clap::ValueEnum;
use erboh_testbed::{Child, Cluster, ClusterSettings, Tuning};

use crate::memory;
use crate::start::{free_addresses, spawn};

/// The heap of Apache Kafka's own start script.
const HEAP_MB: u32 = 1_024;
/// Start-up limit: a JVM needs seconds, and more on a loaded machine.
const START_TIMEOUT: Duration = Duration::from_mins(2);
/// Poll interval of a starting broker. A refused connection costs microseconds, so the measured
/// time is accurate to about a millisecond.
const POLL_INTERVAL: Duration = Duration::from_millis(1);
/// An `ApiVersions` request, version 0: size 10, key 18, version 0, correlation id 7, no client id.
const API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// A kind of broker.
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

/// A running broker, stopped when this is dropped.
pub(crate) struct Broker {
    pub(crate) bootstrap: String,
    /// From the start of the process to the first `ApiVersions` response.
    pub(crate) startup: Duration,
    running: Running,
}

enum Running {
    Embedded(Child),
    Kafka(Box<Cluster>),
}

impl Broker {
    /// Starts a broker without topics, with its data in `directory`, and waits until it serves
    /// requests.
    pub(crate) fn start(kind: Kind, erboh: &Path, directory: &Path) -> anyhow::Result<Self> {
        let (began, bootstrap, running) = match kind {
            Kind::Embedded => embedded(erboh, directory)?,
            Kind::Kafka => apache_kafka(directory).map_err(|reason| anyhow!(reason))?,
        };
        let address = bootstrap.parse().context("the broker's address")?;
        let mut broker = Self { bootstrap, startup: Duration::ZERO, running };
        while !responds(address) {
            if broker.has_ended() {
                bail!("the broker exited; its log is in {}", directory.display());
            }
            if began.elapsed() > START_TIMEOUT {
                bail!("no response from {address}; the log is in {}", directory.display());
            }
            std::thread::sleep(POLL_INTERVAL);
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

    /// The resident memory in MB.
    pub(crate) fn resident_mb(&self) -> anyhow::Result<f64> {
        let pid = match &self.running {
            Running::Embedded(process) => Some(process.pid()),
            Running::Kafka(cluster) => cluster.pid(1),
        };
        pid.and_then(memory::resident_mb).context("the memory of the broker is unknown")
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

/// Starts Apache Kafka like its own start script, with Kafka's defaults.
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

/// Whether the broker at `address` responds to an `ApiVersions` request.
fn responds(address: SocketAddr) -> bool {
    let exchange = || -> std::io::Result<[u8; 10]> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(&API_VERSIONS)?;
        // Size, correlation id, error code.
        let mut response = [0; 10];
        stream.read_exact(&mut response)?;
        Ok(response)
    };
    exchange().is_ok_and(|response| response[4..] == [0, 0, 0, 7, 0, 0])
}
