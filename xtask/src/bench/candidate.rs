//! Candidate: a broker that runs as a child process, to be measured.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::commands::kafka;
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
    child: Child,
}

impl Candidate {
    /// Starts a broker with a data directory of its own below `directory` and waits until it
    /// answers.
    pub(crate) fn start(kind: Kind, directory: &Path) -> Result<Self, String> {
        let port = free_ports()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let directory = directory.join(port.to_string());
        if kind == Kind::ApacheKafka {
            kafka::prepare(&directory, port)?;
        }
        let started = Instant::now();
        let child = match kind {
            Kind::Embedded => embedded(&directory, address)?,
            Kind::ApacheKafka => kafka::start(&directory)?,
        };
        let mut candidate = Self { kind, address, startup: Duration::ZERO, child };
        while !answers(address) {
            if let Ok(Some(status)) = candidate.child.try_wait() {
                let shown = directory.display();
                return Err(format!("the broker ended with {status}; its log is in {shown}"));
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
        let id = self.child.id().to_string();
        let text = process::capture(Command::new("ps").args(["-o", "rss=", "-p", &id]))?;
        let kilobytes: f64 =
            text.trim().parse().map_err(|_| format!("`ps` answered `{}`", text.trim()))?;
        Ok(kilobytes / 1024.0)
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        // A broker that has ended already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
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
    broker.spawn().map_err(|error| format!("could not start `{}`: {error}", process::line(&broker)))
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

/// A port such that the one after it is free too (Kafka's controller takes that).
fn free_ports() -> Result<u16, String> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    for _ in 0..100 {
        let first = bind(0).map_err(|error| format!("no free port: {error}"))?;
        let port = first.local_addr().map_err(|error| error.to_string())?.port();
        match port.checked_add(1).map(bind) {
            Some(Ok(_)) => return Ok(port),
            Some(Err(error)) if error.kind() != ErrorKind::AddrInUse => {
                return Err(format!("binding a port: {error}"));
            }
            _ => {}
        }
    }
    Err("found no two free ports side by side on 127.0.0.1".to_owned())
}
