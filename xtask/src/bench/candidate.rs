//! Candidate: a broker that runs as a child process, to be measured.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use erboh_testbed::{Child, Cluster, ClusterSettings, Tuning, free_ports};

use crate::{process, repository};

/// How long a broker may take to start; Apache Kafka needs several seconds.
const START_MAX: Duration = Duration::from_secs(90);
/// How often a starting broker is asked. Each attempt is one refused connection, which costs
/// microseconds, so that the measured time is right to about a millisecond.
const ASK_EVERY: Duration = Duration::from_millis(1);
/// An `ApiVersions` request, version 0: size 10, key 18, version 0, correlation id 7, no client id.
const API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// Which broker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Embedded,
    ApacheKafka,
}

/// A running broker; it ends when this is dropped.
pub(crate) struct Candidate {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the first answered `ApiVersions`.
    pub(crate) startup: Duration,
    running: Running,
}

enum Running {
    Embedded(Child),
    ApacheKafka(Box<Cluster>),
}

impl Running {
    fn has_ended(&mut self) -> bool {
        match self {
            Self::Embedded(child) => !child.is_running(),
            Self::ApacheKafka(cluster) => !cluster.is_up(1),
        }
    }
}

impl Candidate {
    /// Starts a broker with a data directory of its own below `directory` and waits until it
    /// answers.
    pub(crate) fn start(kind: Kind, directory: &Path) -> Result<Self, String> {
        let port = free_ports(1)?[0];
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let directory = directory.join(port.to_string());
        let (started, running) = match kind {
            Kind::Embedded => (Instant::now(), Running::Embedded(embedded(&directory, address)?)),
            Kind::ApacheKafka => {
                let mut cluster = Cluster::prepare(&apache_kafka(&directory, port))?;
                let started = Instant::now();
                cluster.start_without_waiting(1)?;
                (started, Running::ApacheKafka(Box::new(cluster)))
            }
        };
        let mut candidate = Self { kind, address, startup: Duration::ZERO, running };
        while !answers(address) {
            if candidate.running.has_ended() {
                let shown = directory.display();
                return Err(format!("the broker has ended; its log is in {shown}"));
            }
            if started.elapsed() > START_MAX {
                return Err(format!("the broker at {address} has not answered in {START_MAX:?}"));
            }
            std::thread::sleep(ASK_EVERY);
        }
        candidate.startup = started.elapsed();
        Ok(candidate)
    }

    /// Its resident memory in MB, as `ps` tells it.
    pub(crate) fn resident_mb(&self) -> Result<f64, String> {
        let pid = match &self.running {
            Running::Embedded(child) => child.pid(),
            Running::ApacheKafka(cluster) => cluster.pid(1).ok_or("the broker is not running")?,
        };
        let id = pid.to_string();
        let text = process::capture(Command::new("ps").args(["-o", "rss=", "-p", &id]))?;
        let kilobytes: f64 =
            text.trim().parse().map_err(|_| format!("`ps` answered `{}`", text.trim()))?;
        Ok(kilobytes / 1024.0)
    }
}

/// As its own start script would start it, with its own defaults.
fn apache_kafka(directory: &Path, port: u16) -> ClusterSettings {
    ClusterSettings {
        heap_mb: 1024,
        directory: Some(directory.to_owned()),
        first_port: Some(port),
        tuning: Tuning::Kafka,
        ..ClusterSettings::default()
    }
}

fn embedded(directory: &Path, address: SocketAddr) -> Result<Child, String> {
    let shown = directory.display();
    std::fs::create_dir_all(directory).map_err(|error| format!("creating {shown}: {error}"))?;
    let log = std::fs::File::create(directory.join("erboh.log"))
        .map_err(|error| format!("creating the log file in {shown}: {error}"))?;
    let mut broker = Command::new(binary());
    broker.args(["broker", "--listen", &address.to_string(), "--data-dir"]);
    broker.arg(directory.join("data"));
    broker.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    Child::spawn(broker)
}

/// The binary that users run.
fn binary() -> PathBuf {
    repository::target("release/erboh")
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
