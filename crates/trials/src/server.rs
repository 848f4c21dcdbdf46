//! Server: a broker of one node, and the processes of erboh that use it.

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use clap::ValueEnum;
use erboh_testbed::{Child, Cluster, ClusterSettings, Tuning};

/// Longest wait for anything that should be quick.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// How often a process is looked at: the resolution of times that are seen from outside.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(2);
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
pub(crate) struct Server {
    pub(crate) bootstrap: String,
    _running: Running,
}

enum Running {
    Embedded { _broker: Child },
    Kafka { _cluster: Box<Cluster> },
}

impl Server {
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

/// One process of `erboh producer`; it ends when this is dropped.
pub(crate) struct Producer {
    pub(crate) process: Child,
    /// Where it serves HTTP.
    pub(crate) address: SocketAddr,
}

impl Producer {
    /// Starts it and waits until it is ready. The command is `program` and what it needs to be told
    /// before its own arguments.
    pub(crate) fn start(
        program: &[&str],
        bootstrap: &str,
        partitions: u32,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let [address, ops] = free_addresses()?;
        let (program, before) = program.split_first().context("no program")?;
        let mut arguments: Vec<String> = before.iter().map(ToString::to_string).collect();
        arguments.extend([
            "producer".to_owned(),
            format!("--brokers={bootstrap}"),
            format!("--listen={address}"),
            format!("--ops-listen={ops}"),
            format!("--partitions={partitions}"),
        ]);
        let log = directory.join("producer.log");
        let process = spawn(Path::new(program), &arguments, &log)?;
        let ready = format!("http://{ops}/readyz");
        let end = Instant::now() + PATIENCE;
        while ureq::get(&ready).call().is_err() {
            if Instant::now() >= end {
                bail!("the producer was never ready; see {}", log.display());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(Self { process, address })
    }
}

/// Starts a process whose output goes to the end of a file.
pub(crate) fn spawn(program: &Path, arguments: &[String], log: &Path) -> anyhow::Result<Child> {
    let file = OpenOptions::new().create(true).append(true).open(log);
    let file = file.with_context(|| format!("opening {}", log.display()))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.stdout(file.try_clone()?).stderr(file);
    Child::spawn(command).map_err(|reason| anyhow!(reason))
}

/// The erboh to try: the one that was named, else the one beside this program.
pub(crate) fn erboh(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let beside = || {
        let own = std::env::current_exe().context("where this program is")?;
        Ok(own.with_file_name("erboh"))
    };
    let path = named.map_or_else(beside, |path| anyhow::Ok(path.to_owned()))?;
    if !path.is_file() {
        bail!("{} does not exist: build it, or name one with --erboh", path.display());
    }
    Ok(path)
}

/// An empty directory, whatever was there before.
pub(crate) fn empty(directory: &Path) -> anyhow::Result<()> {
    let shown = directory.display();
    if directory.exists() {
        std::fs::remove_dir_all(directory).with_context(|| format!("removing {shown}"))?;
    }
    std::fs::create_dir_all(directory).with_context(|| format!("creating {shown}"))
}

fn free_addresses<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    let ports = erboh_testbed::free_ports(N).map_err(|reason| anyhow!(reason))?;
    Ok(std::array::from_fn(|nth| SocketAddr::from((Ipv4Addr::LOCALHOST, ports[nth]))))
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
