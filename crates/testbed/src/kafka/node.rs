//! Node: one broker (and controller) of a cluster.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::jvm::{self, Jvm};
use super::wire;
use crate::{Link, Signal};

/// Nodes start in seconds; a machine with other work may need this long.
const START_MAX: Duration = Duration::from_mins(2);
/// Kafka itself waits for its leaders to move, and for clients to leave.
const STOP_MAX: Duration = Duration::from_secs(90);
const ASK_EVERY: Duration = Duration::from_millis(50);
/// What the log of a node says that cannot have its port.
const PORT_TAKEN: &str = "Address already in use";

/// Where a node listens.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    pub(super) clients: u16,
    pub(super) controller: u16,
    /// The plain listener that the brokers use among themselves; often that of the clients.
    pub(super) brokers: u16,
    /// One for each door.
    pub(super) doors: Vec<u16>,
    /// Behind each link.
    pub(super) behind_links: Vec<u16>,
}

/// Why nodes do not start.
pub(super) enum Failure {
    /// Somebody else was quicker; with other ports it will work.
    PortTaken(String),
    Other(String),
}

impl Failure {
    pub(super) fn into_reason(self) -> String {
        match self {
            Self::PortTaken(reason) | Self::Other(reason) => reason,
        }
    }
}

/// A broker, running or not.
pub(super) struct Node {
    pub(super) id: u32,
    pub(super) ports: Ports,
    /// In the order of the settings' names.
    pub(super) links: Vec<Link>,
    pub(super) directory: PathBuf,
    pub(super) data: PathBuf,
    jvm: Mutex<Option<Jvm>>,
}

impl Node {
    pub(super) fn new(id: u32, ports: Ports, links: Vec<Link>, directory: PathBuf) -> Self {
        let data = directory.join("data");
        Self { id, ports, links, directory, data, jvm: Mutex::new(None) }
    }

    pub(super) fn properties(&self) -> PathBuf {
        self.directory.join("server.properties")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.directory.join("kafka.log")
    }

    /// Starts its JVM and does not wait.
    pub(super) fn start(&self, options: &[String], leftovers: Option<&Path>) -> Result<(), String> {
        if self.is_running() {
            return Err(format!("broker {} is running already", self.id));
        }
        let mut arguments = options.to_vec();
        arguments.extend(jvm::class_path());
        arguments.push("kafka.Kafka".to_owned());
        arguments.push(self.properties().to_string_lossy().into_owned());
        *self.jvm() = Some(Jvm::start(&arguments, &self.log(), leftovers)?);
        Ok(())
    }

    /// Waits until this broker lists all of `expected` as alive.
    pub(super) fn wait_until_it_lists(&self, expected: &[u32]) -> Result<(), Failure> {
        let deadline = Instant::now() + START_MAX;
        loop {
            let last = match wire::brokers(self.ports.brokers) {
                Ok(listed) if expected.iter().all(|id| listed.contains(id)) => return Ok(()),
                Ok(listed) => format!("it lists the brokers {listed:?} of {expected:?}"),
                Err(error) => error.to_string(),
            };
            if !self.is_running() {
                return Err(self.ended());
            }
            if Instant::now() >= deadline {
                return Err(Failure::Other(
                    self.with_log(&format!("not within {START_MAX:?}: {last}")),
                ));
            }
            std::thread::sleep(ASK_EVERY);
        }
    }

    fn ended(&self) -> Failure {
        let reason = self.with_log("it has ended");
        // The exception stands some lines above the ones about the orderly end.
        if jvm::last_lines(&self.log(), 1_000).contains(PORT_TAKEN) {
            Failure::PortTaken(reason)
        } else {
            Failure::Other(reason)
        }
    }

    fn with_log(&self, problem: &str) -> String {
        let log = self.log();
        let lines = jvm::last_lines(&log, 20);
        format!(
            "broker {} does not serve: {problem}; its log {} ends with:\n{lines}",
            self.id,
            log.display()
        )
    }

    /// SIGKILL; it has ended when this returns.
    pub(super) fn kill(&self) -> Result<(), String> {
        match self.jvm().take() {
            Some(mut jvm) => jvm.kill().map_err(|error| format!("broker {}: {error}", self.id)),
            None => Ok(()),
        }
    }

    /// SIGTERM; waits for its end.
    pub(super) fn stop(&self) -> Result<(), String> {
        let mut running = self.jvm();
        let Some(jvm) = running.as_mut() else { return Ok(()) };
        if jvm.is_running() {
            jvm.signal(Signal::Terminate)?;
            if jvm.wait(STOP_MAX).is_none() {
                return Err(format!(
                    "broker {} has not ended {STOP_MAX:?} after SIGTERM (without a majority of \
                     controllers it cannot hand over its partitions); kill it instead",
                    self.id
                ));
            }
        }
        *running = None;
        Ok(())
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<(), String> {
        match self.jvm().as_mut() {
            Some(jvm) => jvm.signal(signal).map_err(|error| format!("broker {}: {error}", self.id)),
            None => Err(format!("broker {} is not running; restart it first", self.id)),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.jvm().as_mut().is_some_and(Jvm::is_running)
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.jvm().as_ref().map(Jvm::pid)
    }

    /// Lets the JVM outlive this process.
    pub(super) fn release(&self) -> Result<(), String> {
        self.jvm().take().map_or(Ok(()), Jvm::release)
    }

    fn jvm(&self) -> MutexGuard<'_, Option<Jvm>> {
        self.jvm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The directory of node `id`.
pub(super) fn directory(of_cluster: &Path, id: u32) -> PathBuf {
    of_cluster.join(format!("broker-{id}"))
}
