//! A replica: a process of erboh that can be killed and restarted with the same command line.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use erboh_testbed::{Child, Signal};

use super::shared::lock;

/// Limit of an orderly exit: the process drains for 5 s and flushes for 2 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// Limit until a killed process has exited.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// A command line.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

/// One run of a replica's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Incarnation {
    /// Counted from 1.
    pub(super) number: u64,
    pub(super) began: Instant,
}

struct State {
    child: Option<Child>,
    incarnation: Option<Incarnation>,
    starts: u64,
}

/// A process of erboh.
pub(super) struct Replica {
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) ops_port: u16,
    program: Program,
    log: PathBuf,
    state: Mutex<State>,
}

impl Replica {
    /// A stopped replica, whose output will be appended to `<name>.log` in `directory`.
    pub(super) fn new(
        name: &str,
        [port, ops_port]: [u16; 2],
        program: Program,
        directory: &Path,
    ) -> Self {
        let log = directory.join(format!("{name}.log"));
        let state = Mutex::new(State { child: None, incarnation: None, starts: 0 });
        Self { name: name.to_owned(), port, ops_port, program, log, state }
    }

    /// Starts the process.
    pub(super) fn start(&self) -> anyhow::Result<()> {
        let file = OpenOptions::new().create(true).append(true).open(&self.log);
        let file = file.with_context(|| format!("opening {}", self.log.display()))?;
        let mut command = Command::new(&self.program.path);
        command.args(&self.program.arguments).stdin(Stdio::null());
        command.stdout(file.try_clone()?).stderr(file);
        // Ctrl-C goes to the campaign only, which stops its replicas itself.
        command.process_group(0);
        let mut state = lock(&self.state);
        state.child = Some(Child::spawn(command).map_err(|reason| anyhow!(reason))?);
        state.starts += 1;
        state.incarnation = Some(Incarnation { number: state.starts, began: Instant::now() });
        Ok(())
    }

    /// Kills the process with SIGKILL.
    pub(super) fn kill(&self) -> anyhow::Result<()> {
        let mut state = lock(&self.state);
        state.incarnation = None;
        let Some(mut child) = state.child.take() else { return Ok(()) };
        child.signal(Signal::Kill).map_err(|reason| anyhow!("{}: {reason}", self.name))?;
        child.wait(KILL_TIMEOUT).with_context(|| format!("{} survived SIGKILL", self.name))?;
        Ok(())
    }

    /// Sends a signal that does not end the process.
    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let state = lock(&self.state);
        let child =
            state.child.as_ref().with_context(|| format!("{} is not running", self.name))?;
        child.signal(signal).map_err(|reason| anyhow!("{}: {reason}", self.name))
    }

    /// The current incarnation; `None` while the process is down.
    pub(super) fn incarnation(&self) -> Option<Incarnation> {
        lock(&self.state).incarnation
    }

    /// Restarts the process if it has exited by itself, and returns a description of the exit.
    pub(super) fn restart_if_exited(&self) -> Option<String> {
        let mut state = lock(&self.state);
        let child = state.child.as_mut()?;
        let status = child.wait(Duration::ZERO)?;
        state.child = None;
        drop(state);
        let restart = self.start().err().map(|error| format!("; {error}")).unwrap_or_default();
        Some(format!(
            "{} exited unexpectedly with {status}, see {}{restart}",
            self.name,
            self.log.display()
        ))
    }

    /// Sends SIGTERM and waits for the exit.
    ///
    /// # Errors
    /// On a timeout or a failure status.
    pub(super) fn stop(&self) -> anyhow::Result<()> {
        let child = {
            let mut state = lock(&self.state);
            state.incarnation = None;
            state.child.take()
        };
        let Some(mut child) = child else { return Ok(()) };
        child.signal(Signal::Terminate).map_err(|reason| anyhow!("{}: {reason}", self.name))?;
        match child.wait(STOP_TIMEOUT) {
            Some(status) if status.success() => Ok(()),
            Some(status) => {
                bail!("{} stopped with {status}, see {}", self.name, self.log.display())
            }
            None => bail!("{} did not stop within {STOP_TIMEOUT:?}", self.name),
        }
    }

    /// A URL of its service port.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A URL of its ops port.
    pub(super) fn ops_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ops_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(directory: &Path, script: &str) -> Replica {
        let arguments = ["-c", script].map(OsString::from).to_vec();
        Replica::new("sleeper", [1, 2], Program { path: "sh".into(), arguments }, directory)
    }

    #[test]
    fn every_start_is_a_new_incarnation() {
        let directory = tempfile::tempdir().unwrap();
        let replica = replica(directory.path(), "exec sleep 600");
        assert_eq!(replica.incarnation(), None);
        replica.start().unwrap();
        assert_eq!(replica.incarnation().unwrap().number, 1);
        replica.kill().unwrap();
        assert_eq!(replica.incarnation(), None);
        replica.start().unwrap();
        assert_eq!(replica.incarnation().unwrap().number, 2);
        assert_eq!(replica.restart_if_exited(), None);
    }

    #[test]
    fn unexpected_exit_is_reported_and_restarted() {
        let directory = tempfile::tempdir().unwrap();
        let replica = replica(directory.path(), "exit 7");
        replica.start().unwrap();
        let deadline = Instant::now() + Duration::from_mins(1);
        let report = loop {
            if let Some(report) = replica.restart_if_exited() {
                break report;
            }
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(report.contains("sleeper exited unexpectedly") && report.contains('7'), "{report}");
        assert_eq!(replica.incarnation().unwrap().number, 2);
    }

    #[test]
    fn failed_stop_is_reported() {
        let directory = tempfile::tempdir().unwrap();
        let replica = replica(directory.path(), "exec sleep 600");
        replica.start().unwrap();
        assert!(replica.stop().unwrap_err().to_string().contains("stopped with"));
    }
}
