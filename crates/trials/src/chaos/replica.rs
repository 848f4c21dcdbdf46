//! Replica: one process of erboh, with a supervisor that starts it again where it was.

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

/// How long a process that was told to stop may take: it drains for 5 s and flushes for 2 s.
const STOP_WAIT: Duration = Duration::from_secs(20);
/// How long a killed process may take to be gone.
const KILL_WAIT: Duration = Duration::from_secs(10);

/// What is started.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

/// One life of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    /// Counts from 1.
    pub(super) number: u64,
    pub(super) began: Instant,
}

struct State {
    child: Option<Child>,
    life: Option<Life>,
    lives: u64,
}

/// One process of erboh.
pub(super) struct Replica {
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) ops_port: u16,
    program: Program,
    log: PathBuf,
    state: Mutex<State>,
}

impl Replica {
    /// A replica that does not run yet; its output will go to `<name>.log` in `directory`.
    pub(super) fn new(
        name: &str,
        [port, ops_port]: [u16; 2],
        program: Program,
        directory: &Path,
    ) -> Self {
        let log = directory.join(format!("{name}.log"));
        let state = Mutex::new(State { child: None, life: None, lives: 0 });
        Self { name: name.to_owned(), port, ops_port, program, log, state }
    }

    /// Starts the process.
    pub(super) fn start(&self) -> anyhow::Result<()> {
        let file = OpenOptions::new().create(true).append(true).open(&self.log);
        let file = file.with_context(|| format!("opening {}", self.log.display()))?;
        let mut command = Command::new(&self.program.path);
        command.args(&self.program.arguments).stdin(Stdio::null());
        command.stdout(file.try_clone()?).stderr(file);
        // Ctrl-C is for the campaign, which ends its replicas itself.
        command.process_group(0);
        let mut state = lock(&self.state);
        state.child = Some(Child::spawn(command).map_err(|reason| anyhow!(reason))?);
        state.lives += 1;
        state.life = Some(Life { number: state.lives, began: Instant::now() });
        Ok(())
    }

    /// kill -9
    pub(super) fn kill(&self) -> anyhow::Result<()> {
        let mut state = lock(&self.state);
        state.life = None;
        let Some(mut child) = state.child.take() else { return Ok(()) };
        child.signal(Signal::Kill).map_err(|reason| anyhow!("{}: {reason}", self.name))?;
        child.wait(KILL_WAIT).with_context(|| format!("{} outlives kill -9", self.name))?;
        Ok(())
    }

    /// Sends a signal that does not end it.
    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let state = lock(&self.state);
        let child = state.child.as_ref().with_context(|| format!("{} does not run", self.name))?;
        child.signal(signal).map_err(|reason| anyhow!("{}: {reason}", self.name))
    }

    /// The life it lives now; none while it is down.
    pub(super) fn life(&self) -> Option<Life> {
        lock(&self.state).life
    }

    /// Says so if the process has ended by itself, and starts it again.
    pub(super) fn revive(&self) -> Option<String> {
        let mut state = lock(&self.state);
        let child = state.child.as_mut()?;
        let status = child.wait(Duration::ZERO)?;
        state.child = None;
        drop(state);
        let again = self.start().err().map(|error| format!("; {error}")).unwrap_or_default();
        Some(format!(
            "{} ended by itself with {status}, see {}{again}",
            self.name,
            self.log.display()
        ))
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// When it takes too long or ends with a failure.
    pub(super) fn stop(&self) -> anyhow::Result<()> {
        let child = {
            let mut state = lock(&self.state);
            state.life = None;
            state.child.take()
        };
        let Some(mut child) = child else { return Ok(()) };
        child.signal(Signal::Terminate).map_err(|reason| anyhow!("{}: {reason}", self.name))?;
        match child.wait(STOP_WAIT) {
            Some(status) if status.success() => Ok(()),
            Some(status) => {
                bail!("{} stopped with {status}, see {}", self.name, self.log.display())
            }
            None => bail!("{} did not stop within {STOP_WAIT:?}", self.name),
        }
    }

    /// The address of its service.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The address of its ops port.
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
    fn every_start_is_another_life() {
        let directory = tempfile::tempdir().unwrap();
        let replica = replica(directory.path(), "exec sleep 600");
        assert_eq!(replica.life(), None);
        replica.start().unwrap();
        assert_eq!(replica.life().unwrap().number, 1);
        replica.kill().unwrap();
        assert_eq!(replica.life(), None);
        replica.start().unwrap();
        assert_eq!(replica.life().unwrap().number, 2);
        assert_eq!(replica.revive(), None);
    }

    #[test]
    fn who_ends_by_itself_is_named_and_started_again() {
        let directory = tempfile::tempdir().unwrap();
        let replica = replica(directory.path(), "exit 7");
        replica.start().unwrap();
        let deadline = Instant::now() + Duration::from_mins(1);
        let said = loop {
            if let Some(said) = replica.revive() {
                break said;
            }
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(said.contains("sleeper ended by itself") && said.contains('7'), "{said}");
        assert_eq!(replica.life().unwrap().number, 2);
    }

    #[test]
    fn a_stop_that_fails_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let replica = replica(directory.path(), "exec sleep 600");
        replica.start().unwrap();
        assert!(replica.stop().unwrap_err().to_string().contains("stopped with"));
    }
}
