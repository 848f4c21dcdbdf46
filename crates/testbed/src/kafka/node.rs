//! One broker (and controller) of a cluster.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::jvm::{self, Jvm};
use super::wire;
use crate::{Link, Signal};

/// Nodes start in seconds; a loaded machine may need this long.
const START_TIMEOUT: Duration = Duration::from_mins(2);
/// A controlled shutdown waits for leaders to move and for clients to disconnect.
const STOP_TIMEOUT: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The log message of a node whose port is in use.
const PORT_TAKEN: &str = "Address already in use";

/// The ports of a node.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    pub(super) clients: u16,
    pub(super) controller: u16,
    /// The plaintext inter-broker listener; the same as `clients` without TLS and SASL.
    pub(super) brokers: u16,
    /// One per door.
    pub(super) doors: Vec<u16>,
    /// The listeners behind the links.
    pub(super) behind_links: Vec<u16>,
}

/// Why a node did not start.
pub(super) enum StartError {
    /// Another process has taken the port; a retry with other ports can succeed.
    PortTaken(String),
    Other(String),
}

impl StartError {
    pub(super) fn into_message(self) -> String {
        match self {
            Self::PortTaken(reason) | Self::Other(reason) => reason,
        }
    }
}

/// A broker, running or not.
pub(super) struct Node {
    pub(super) id: u32,
    pub(super) ports: Ports,
    /// In the order of the names in the settings.
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

    /// Starts the JVM without waiting.
    pub(super) fn start(&self, options: &[String], cleanup: Option<&Path>) -> Result<(), String> {
        if self.is_running() {
            return Err(format!("broker {} is running already", self.id));
        }
        let mut arguments = options.to_vec();
        arguments.extend(jvm::class_path());
        arguments.push("kafka.Kafka".to_owned());
        arguments.push(self.properties().to_string_lossy().into_owned());
        *self.jvm() = Some(Jvm::start(&arguments, &self.log(), cleanup)?);
        Ok(())
    }

    /// Waits until this broker lists all of `expected` as alive.
    pub(super) fn wait_until_it_lists(&self, expected: &[u32]) -> Result<(), StartError> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let last = match wire::brokers(self.ports.brokers) {
                Ok(listed) if expected.iter().all(|id| listed.contains(id)) => return Ok(()),
                Ok(listed) => format!("it lists the brokers {listed:?}, expected {expected:?}"),
                Err(error) => error.to_string(),
            };
            if !self.is_running() {
                return Err(self.exited());
            }
            if Instant::now() >= deadline {
                return Err(StartError::Other(
                    self.with_log(&format!("not within {START_TIMEOUT:?}: {last}")),
                ));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    fn exited(&self) -> StartError {
        let reason = self.with_log("the process exited");
        // The exception is logged some lines before the messages of the shutdown.
        if jvm::last_lines(&self.log(), 1_000).contains(PORT_TAKEN) {
            StartError::PortTaken(reason)
        } else {
            StartError::Other(reason)
        }
    }

    fn with_log(&self, problem: &str) -> String {
        let log = self.log();
        let lines = jvm::last_lines(&log, 20);
        format!(
            "broker {} does not serve requests: {problem}; its log {} ends with:\n{lines}",
            self.id,
            log.display()
        )
    }

    /// Sends SIGKILL and waits for the exit.
    pub(super) fn kill(&self) -> Result<(), String> {
        match self.jvm().take() {
            Some(mut jvm) => jvm.kill().map_err(|error| format!("broker {}: {error}", self.id)),
            None => Ok(()),
        }
    }

    /// Sends SIGTERM and waits for the exit.
    pub(super) fn stop(&self) -> Result<(), String> {
        let mut running = self.jvm();
        let Some(jvm) = running.as_mut() else { return Ok(()) };
        if jvm.is_running() {
            jvm.signal(Signal::Terminate)?;
            if jvm.wait(STOP_TIMEOUT).is_none() {
                return Err(format!(
                    "broker {} has not exited {STOP_TIMEOUT:?} after SIGTERM (without a controller \
                     quorum it cannot move its leaders); kill it instead",
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

    /// Detaches the JVM, so that it outlives this process.
    pub(super) fn detach(&self) -> Result<(), String> {
        self.jvm().take().map_or(Ok(()), Jvm::detach)
    }

    fn jvm(&self) -> MutexGuard<'_, Option<Jvm>> {
        self.jvm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The directory of node `id`.
pub(super) fn directory(of_cluster: &Path, id: u32) -> PathBuf {
    of_cluster.join(format!("broker-{id}"))
}
