//! A child process that is killed when its owner drops it or exits, however it exits.

use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::reaper;

/// Poll interval while waiting for a process to exit.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The signals that tests send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: request an orderly exit.
    Terminate,
    /// SIGINT, as sent by Ctrl-C.
    Interrupt,
    /// SIGKILL: exit immediately.
    Kill,
    /// SIGSTOP: suspend until [`Signal::Continue`].
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

    /// Sends this signal to the process `pid`. The caller guarantees that the pid has not been
    /// reused.
    ///
    /// The standard library can only send SIGKILL; `kill` is a built-in of every shell.
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

/// A process that is killed with SIGKILL and reaped when this is dropped. It is also killed when
/// this process dies.
#[derive(Debug)]
pub struct Child {
    /// Unless `ended` is set, the process is not reaped yet, so its pid cannot be reused.
    process: std::process::Child,
    ended: Option<ExitStatus>,
}

impl Child {
    /// Starts the process with the standard streams of `command`.
    pub fn spawn(command: Command) -> Result<Self, String> {
        reaper::start();
        let child = Self::spawn_unmonitored(command)?;
        reaper::register(child.pid());
        Ok(child)
    }

    /// Like [`Self::spawn`], for a process that detects the death of this process by itself.
    pub(crate) fn spawn_unmonitored(mut command: Command) -> Result<Self, String> {
        let process = command.spawn().map_err(|error| {
            let program = command.get_program().to_string_lossy();
            format!("starting `{program}`: {error} (is it installed, and on the PATH?)")
        })?;
        Ok(Self { process, ended: None })
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal; an error if the process is known to have exited.
    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        match self.ended {
            Some(status) => Err(format!("process {} has ended with {status}", self.pid())),
            None => signal.send(self.pid()),
        }
    }

    /// Whether the process has not exited. A stopped process counts as running.
    pub fn is_running(&mut self) -> bool {
        self.poll().is_none()
    }

    /// Waits for the exit, up to `timeout`; `None` if the process is still running then.
    pub fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            let ended = self.poll();
            if ended.is_some() || Instant::now() >= deadline {
                return ended;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Takes the standard input, if `command` requested a pipe; `None` the second time.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.process.stdin.take()
    }

    /// Takes the standard output, if `command` requested a pipe; `None` the second time.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    fn poll(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.process.try_wait().ok().flatten();
            if self.ended.is_some() {
                reaper::unregister(self.pid());
            }
        }
        self.ended
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.is_running() {
            // An error means that the process has just exited.
            let _ = self.process.kill();
            let _ = self.process.wait();
            reaper::unregister(self.pid());
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
    fn dropping_a_child_kills_it() {
        let child = sleeper();
        let pid = child.pid();
        assert!(exists(pid));
        drop(child);
        assert!(!exists(pid));
    }

    #[test]
    fn stopped_child_is_running_and_killed_child_rejects_signals() {
        let mut child = sleeper();
        child.signal(Signal::Stop).unwrap();
        assert!(child.is_running());
        child.signal(Signal::Kill).unwrap();
        assert!(!child.wait(SOON).unwrap().success());
        let error = child.signal(Signal::Continue).unwrap_err();
        assert!(error.contains("has ended"), "{error}");
    }

    #[test]
    fn wait_times_out() {
        assert!(sleeper().wait(Duration::from_millis(1)).is_none());
    }

    #[test]
    fn missing_program_is_named() {
        let error = Child::spawn(Command::new("no-such-program")).unwrap_err();
        assert!(error.contains("no-such-program"), "{error}");
    }
}
