//! Child: a process that ends when its owner drops it, and when its owner ends in any way.

use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::keeper;

/// How often a process that should end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A signal that tests send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: end in order.
    Terminate,
    /// SIGINT: what Ctrl-C sends.
    Interrupt,
    /// SIGKILL: end at once.
    Kill,
    /// SIGSTOP: run no further until [`Signal::Continue`].
    Stop,
    /// SIGCONT.
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }

    /// Sends this signal to a process of which the caller knows that it still is the one meant.
    ///
    /// Rust's library knows SIGKILL only, and the shell has `kill` built in everywhere.
    pub fn send(self, pid: u32) -> Result<(), String> {
        let name = self.name();
        let mut shell = Command::new("sh");
        shell.args(["-c", "kill -s \"$1\" \"$2\"", "kill", name, &pid.to_string()]);
        let output = shell.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("starting `sh` for SIG{name}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let reason = String::from_utf8_lossy(&output.stderr);
        Err(format!("sending SIG{name} to process {pid}: {}", reason.trim()))
    }
}

/// A process that gets SIGKILL, and is reaped, when this is dropped. If we are killed, it gets
/// SIGKILL too.
#[derive(Debug)]
pub struct Child {
    /// Not yet reaped unless `ended` says so; until then nobody else can have its pid.
    process: std::process::Child,
    ended: Option<ExitStatus>,
}

impl Child {
    /// Starts it. Standard streams are those of `command`.
    pub fn spawn(command: Command) -> Result<Self, String> {
        keeper::start();
        let child = Self::spawn_unkept(command)?;
        keeper::hold(child.pid());
        Ok(child)
    }

    /// The same for a process that notices by itself when we are killed.
    pub(crate) fn spawn_unkept(mut command: Command) -> Result<Self, String> {
        let process = command.spawn().map_err(|error| {
            let program = command.get_program().to_string_lossy();
            format!("starting `{program}`: {error} (is it installed, and on the PATH?)")
        })?;
        Ok(Self { process, ended: None })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal. An error if the process is known to have ended.
    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        match self.ended {
            Some(status) => Err(format!("process {} has ended with {status}", self.pid())),
            None => signal.send(self.pid()),
        }
    }

    /// Whether it has not ended yet. A stopped process is running.
    pub fn is_running(&mut self) -> bool {
        self.look().is_none()
    }

    /// Waits until it ends, at most that long; `None` if it still runs then.
    pub fn wait(&mut self, at_most: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + at_most;
        loop {
            let ended = self.look();
            if ended.is_some() || Instant::now() >= deadline {
                return ended;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Its standard input, once, if `command` asked for a pipe.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.process.stdin.take()
    }

    /// Its standard output, once, if `command` asked for a pipe.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    fn look(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.process.try_wait().ok().flatten();
            if self.ended.is_some() {
                keeper::release(self.pid());
            }
        }
        self.ended
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.is_running() {
            // It may end by itself just now; that is what is wanted.
            let _ = self.process.kill();
            let _ = self.process.wait();
            keeper::release(self.pid());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::{Child, Signal};

    const SOON: Duration = Duration::from_secs(30);

    fn sleeper() -> Child {
        let mut command = Command::new("sleep");
        command.arg("600");
        Child::spawn(command).unwrap()
    }

    fn exists(pid: u32) -> bool {
        let probe =
            Command::new("sh").args(["-c", "kill -0 \"$0\" 2>&-", &pid.to_string()]).status();
        probe.unwrap().success()
    }

    #[test]
    fn a_dropped_child_has_ended() {
        let child = sleeper();
        let pid = child.pid();
        assert!(exists(pid));
        drop(child);
        assert!(!exists(pid));
    }

    #[test]
    fn a_stopped_child_runs_and_a_killed_one_takes_no_signal() {
        let mut child = sleeper();
        child.signal(Signal::Stop).unwrap();
        assert!(child.is_running());
        child.signal(Signal::Kill).unwrap();
        assert!(!child.wait(SOON).unwrap().success());
        let refused = child.signal(Signal::Continue).unwrap_err();
        assert!(refused.contains("has ended"), "{refused}");
    }

    #[test]
    fn the_wait_has_a_limit() {
        assert!(sleeper().wait(Duration::from_millis(1)).is_none());
    }

    #[test]
    fn what_is_not_installed_is_named() {
        let refused = Child::spawn(Command::new("no-such-program")).unwrap_err();
        assert!(refused.contains("no-such-program"), "{refused}");
    }
}
