//! A Java process that cannot outlive its owner.
//!
//! ```text
//!  owner ──pipe──► sh, waits ─┬─► watcher: reads the pipe; at its end SIGKILL ──┐
//!    ▲                        └─► java ◄──────────────── signals ───────────────┘
//!    └── java's pid ── sh                                (also from the owner)
//! ```
//!
//! The kernel closes the pipe when the owner exits, however it exits. The shell cannot detect that
//! in another way, and Java cannot detect it at all.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::child::{Child, Signal};

/// `$1` is the log, `$2` a directory to remove if the owner has died; the rest is the command line.
/// A line from the owner detaches java: the watcher exits. A watcher that has started to kill
/// ignores SIGTERM, so its exit status tells whether it or java ended first.
const SUPERVISOR: &str = r#"
log=$1 cleanup=$2; shift 2
exec 3<&0
"$@" </dev/null >>"$log" 2>&1 3<&- &
jvm=$!
echo "$jvm"
(
  read -r line <&3 && kill -KILL "$$" && exit 1
  trap '' TERM
  kill -KILL "$jvm"
  exit 0
) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$jvm"
status=$?
kill -TERM "$watcher"
if wait "$watcher" && [ -n "$cleanup" ]; then rm -rf "$cleanup"; fi
exit "$status"
"#;

/// SIGKILL takes effect immediately, unless the machine is overloaded.
const KILL_TIMEOUT: Duration = Duration::from_secs(30);

/// A running Java process.
#[derive(Debug)]
pub(crate) struct Jvm {
    supervisor: Child,
    pid: u32,
    /// The watcher kills java when this pipe is closed.
    owner_pipe: Option<ChildStdin>,
}

impl Jvm {
    /// Starts `java` with these arguments and appends its output to `log`. If the owner is killed,
    /// the supervisor removes the directory `cleanup`.
    pub(crate) fn start(
        arguments: &[String],
        log: &Path,
        cleanup: Option<&Path>,
    ) -> Result<Self, String> {
        Self::start_program("java", arguments, log, cleanup)
    }

    fn start_program(
        program: &str,
        arguments: &[String],
        log: &Path,
        cleanup: Option<&Path>,
    ) -> Result<Self, String> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            format!("starting {program} (log in {}): {what}: {error}", log.display())
        };
        // Created here, because the shell cannot report a failure.
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(|error| failed("creating the log", &error))?;
        let mut shell = Command::new("sh");
        shell.args(["-c", SUPERVISOR, "erboh-testbed"]).arg(log);
        shell.arg(cleanup.unwrap_or(Path::new("")));
        shell.arg(program).args(arguments);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Ctrl-C goes to the owner only; the cluster ends with the owner.
        shell.process_group(0);
        let mut supervisor = Child::spawn_unmonitored(shell)?;
        let owner_pipe = supervisor.take_stdin();
        let mut line = String::new();
        if let Some(stdout) = supervisor.take_stdout() {
            let read = BufReader::new(stdout).read_line(&mut line);
            read.map_err(|error| failed("reading its process id", &error))?;
        }
        let pid =
            line.trim().parse().map_err(|_| failed("its process id", &format!("`{line}`")))?;
        Ok(Self { supervisor, pid, owner_pipe })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has not exited. A stopped process counts as running.
    pub(crate) fn is_running(&mut self) -> bool {
        self.supervisor.is_running()
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> Result<(), String> {
        // The pid cannot be reused before the supervisor, which reaps java, has exited.
        if self.is_running() {
            signal.send(self.pid)
        } else {
            Err(format!("java process {} has ended already", self.pid))
        }
    }

    /// Waits for its exit, up to `timeout`.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        self.supervisor.wait(timeout)
    }

    /// Kills it with SIGKILL and waits for its exit.
    pub(crate) fn kill(&mut self) -> Result<(), String> {
        if self.is_running() {
            // An error may mean that java has just exited; only the exit matters.
            let sent = self.signal(Signal::Kill);
            if self.wait(KILL_TIMEOUT).is_none() {
                let reason = sent.err().unwrap_or_else(|| format!("not within {KILL_TIMEOUT:?}"));
                return Err(format!("java process {} does not end: {reason}", self.pid));
            }
        }
        Ok(())
    }

    /// Lets java outlive its owner.
    pub(crate) fn detach(mut self) -> Result<(), String> {
        let sent = self.owner_pipe.as_mut().map_or(Ok(()), |pipe| pipe.write_all(b"detach\n"));
        match (sent, self.wait(KILL_TIMEOUT)) {
            (Ok(()), Some(_)) => Ok(()),
            (Err(error), _) => Err(format!("java process {}: {error}", self.pid)),
            (_, None) => Err(format!("the supervisor of java process {} does not end", self.pid)),
        }
    }
}

impl Drop for Jvm {
    fn drop(&mut self) {
        if self.kill().is_err() {
            // Closing the pipe makes the watcher kill it.
            self.owner_pipe = None;
        }
    }
}

/// A command that runs the main method of `class` with Kafka's jars on the class path, for Kafka's
/// tools.
#[must_use]
pub fn java(options: &[&str], class: &str) -> Command {
    let mut java = Command::new("java");
    java.args(options).args(class_path()).arg(class);
    java
}

/// Runs a Java program to completion and returns its standard output.
pub(crate) fn run(arguments: &[String]) -> Result<String, String> {
    run_in(Path::new("."), arguments)
}

/// Like [`run`], in `directory`.
pub(crate) fn run_in(directory: &Path, arguments: &[String]) -> Result<String, String> {
    let mut java = Command::new("java");
    java.current_dir(directory);
    let output = java.args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("starting `java`: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let output_text = [output.stdout, output.stderr].concat();
    let output_text = String::from_utf8_lossy(&output_text);
    Err(format!("java ended with {}: {}", output.status, output_text.trim()))
}

/// The directory to which Maven copies Apache Kafka's jars.
pub(crate) fn jars() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).unwrap_or(Path::new(".")).join("target/kafka")
}

/// The JVM options that put Kafka's jars on the class path.
pub(crate) fn class_path() -> [String; 2] {
    ["-cp".to_owned(), jars().join("*").to_string_lossy().into_owned()]
}

/// Checks that a JVM and Kafka's jars are installed; the error names what is missing. The result is
/// cached for the process, because starting a JVM takes time.
pub(crate) fn available() -> Result<(), String> {
    static AVAILABLE: OnceLock<Result<(), String>> = OnceLock::new();
    AVAILABLE.get_or_init(check_installation).clone()
}

fn check_installation() -> Result<(), String> {
    let is_kafka = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("kafka_2.13-");
    let has_jars = std::fs::read_dir(jars())
        .is_ok_and(|entries| entries.flatten().any(|entry| is_kafka(&entry.file_name())));
    if !has_jars {
        return Err(format!(
            "Apache Kafka's jars are not in {}; Maven fetches them: \
             mvn --quiet --file tests/clients/pom.xml dependency:copy-dependencies",
            jars().display()
        ));
    }
    run(&["-version".to_owned()]).map(drop).map_err(|reason| {
        format!("Apache Kafka needs Java 17 or newer on the PATH (Debian: default-jdk-headless): {reason}")
    })
}

/// The last `count` lines of a log.
pub(crate) fn last_lines(log: &Path, count: usize) -> String {
    /// Enough for the requested lines, including a stack trace.
    const TAIL_BYTES: u64 = 256 << 10;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok(tail)
    };
    let tail = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&tail);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;
    use std::time::Duration;

    use super::{Jvm, last_lines};
    use crate::{Signal, random};

    const SOON: Duration = Duration::from_secs(30);

    /// A supervised long-running process, and a directory that is removed if its owner dies.
    fn sleeper() -> (Jvm, PathBuf) {
        let name = format!("erboh-testbed-{:x}", random::number());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let log = directory.join("log");
        let sleeper =
            Jvm::start_program("sleep", &["600".to_owned()], &log, Some(&directory)).unwrap();
        (sleeper, directory)
    }

    fn exists(pid: u32) -> bool {
        Command::new("sh")
            .args(["-c", "kill -0 \"$0\" 2>&-", &pid.to_string()])
            .status()
            .unwrap()
            .success()
    }

    #[test]
    fn death_of_the_owner_kills_the_jvm_and_removes_its_directory() {
        let (mut jvm, directory) = sleeper();
        // A stopped process must be killed too.
        jvm.signal(Signal::Stop).unwrap();
        assert!(exists(jvm.pid()));
        // The kernel does this when a process exits.
        jvm.owner_pipe = None;
        assert!(jvm.wait(SOON).is_some(), "the supervisor keeps running");
        assert!(!exists(jvm.pid()));
        assert!(!directory.exists());
    }

    #[test]
    fn orderly_exit_keeps_the_directory() {
        let (mut jvm, directory) = sleeper();
        jvm.signal(Signal::Terminate).unwrap();
        assert!(!jvm.wait(SOON).unwrap().success());
        assert!(!exists(jvm.pid()) && directory.exists());
        assert!(jvm.signal(Signal::Kill).unwrap_err().contains("ended already"));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn dropping_a_jvm_kills_it() {
        let (jvm, directory) = sleeper();
        let pid = jvm.pid();
        drop(jvm);
        assert!(!exists(pid));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn detached_jvm_keeps_running() {
        let (jvm, directory) = sleeper();
        let pid = jvm.pid();
        jvm.detach().unwrap();
        assert!(exists(pid) && directory.exists());
        Signal::Kill.send(pid).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn failed_start_is_logged() {
        let (jvm, directory) = sleeper();
        drop(jvm);
        let log = directory.join("other");
        let mut absent = Jvm::start_program("no-such-program", &[], &log, None).unwrap();
        assert!(!absent.wait(SOON).unwrap().success());
        let text = last_lines(&log, 1);
        assert!(text.contains("no-such-program"), "{text}");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
