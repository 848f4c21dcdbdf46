//! Jvm: a Java process that cannot outlive its owner.
//!
//! ```text
//!  owner ──pipe──► sh, waits ─┬─► watcher: reads the pipe; at its end SIGKILL ──┐
//!    ▲                        └─► java ◄──────────────── signals ───────────────┘
//!    └── java's pid ── sh                                (also from the owner)
//! ```
//!
//! The system closes the pipe when the owner ends, however it ends. The shell has no other way to
//! learn of that, and Java none at all.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::child::{Child, Signal};

/// `$1` is the log, `$2` what to remove if the owner has gone; the rest is the command line. A
/// line from the owner lets java go: the watch over it ends. A watcher that has begun to act is
/// not ended any more, so that its answer tells who was first, it or java.
const SUPERVISOR: &str = r#"
log=$1 leftovers=$2; shift 2
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
if wait "$watcher" && [ -n "$leftovers" ]; then rm -rf "$leftovers"; fi
exit "$status"
"#;

/// SIGKILL takes effect at once, unless the machine is very busy.
const KILL_MAX: Duration = Duration::from_secs(30);

/// A running Java process.
#[derive(Debug)]
pub(crate) struct Jvm {
    supervisor: Child,
    pid: u32,
    /// Its end is what the watcher waits for.
    line: Option<ChildStdin>,
}

impl Jvm {
    /// Starts `java` with these arguments; what it says is appended to `log`. If its owner is
    /// killed, `leftovers` are removed after it.
    pub(crate) fn start(
        arguments: &[String],
        log: &Path,
        leftovers: Option<&Path>,
    ) -> Result<Self, String> {
        Self::start_program("java", arguments, log, leftovers)
    }

    fn start_program(
        program: &str,
        arguments: &[String],
        log: &Path,
        leftovers: Option<&Path>,
    ) -> Result<Self, String> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            format!("starting {program} (log in {}): {what}: {error}", log.display())
        };
        // Created here, because the shell would have nobody to tell that it cannot.
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(|error| failed("creating the log", &error))?;
        let mut shell = Command::new("sh");
        shell.args(["-c", SUPERVISOR, "erboh-testbed"]).arg(log);
        shell.arg(leftovers.unwrap_or(Path::new("")));
        shell.arg(program).args(arguments);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Ctrl-C is for the owner; the cluster then ends with it.
        shell.process_group(0);
        let mut supervisor = Child::spawn_unkept(shell)?;
        let line = supervisor.take_stdin();
        let mut said = String::new();
        if let Some(stdout) = supervisor.take_stdout() {
            let read = BufReader::new(stdout).read_line(&mut said);
            read.map_err(|error| failed("reading its process id", &error))?;
        }
        let pid =
            said.trim().parse().map_err(|_| failed("its process id", &format!("`{said}`")))?;
        Ok(Self { supervisor, pid, line })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has not ended; a stopped one has not.
    pub(crate) fn is_running(&mut self) -> bool {
        self.supervisor.is_running()
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> Result<(), String> {
        // Its pid is its own at least until the supervisor, which reaps it, has ended too.
        if self.is_running() {
            signal.send(self.pid)
        } else {
            Err(format!("java process {} has ended already", self.pid))
        }
    }

    /// Waits for its end, at most that long.
    pub(crate) fn wait(&mut self, at_most: Duration) -> Option<ExitStatus> {
        self.supervisor.wait(at_most)
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) -> Result<(), String> {
        if self.is_running() {
            // It may end by itself just now; whether it has ended is what counts.
            let sent = self.signal(Signal::Kill);
            if self.wait(KILL_MAX).is_none() {
                let reason = sent.err().unwrap_or_else(|| format!("not within {KILL_MAX:?}"));
                return Err(format!("java process {} does not end: {reason}", self.pid));
            }
        }
        Ok(())
    }

    /// Lets it run on without an owner.
    pub(crate) fn release(mut self) -> Result<(), String> {
        let told = self.line.as_mut().map_or(Ok(()), |line| line.write_all(b"go on\n"));
        match (told, self.wait(KILL_MAX)) {
            (Ok(()), Some(_)) => Ok(()),
            (Err(error), _) => Err(format!("java process {}: {error}", self.pid)),
            (_, None) => Err(format!("the supervisor of java process {} does not end", self.pid)),
        }
    }
}

impl Drop for Jvm {
    fn drop(&mut self) {
        if self.kill().is_err() {
            // The watcher can still do it.
            self.line = None;
        }
    }
}

/// A JVM with Kafka's jars on its class path, to run the main of `class`: Kafka's own tools.
#[must_use]
pub fn java(options: &[&str], class: &str) -> Command {
    let mut java = Command::new("java");
    java.args(options).args(class_path()).arg(class);
    java
}

/// Runs a Java program to its end and answers its standard output.
pub(crate) fn run(arguments: &[String]) -> Result<String, String> {
    run_in(Path::new("."), arguments)
}

/// The same in that directory.
pub(crate) fn run_in(directory: &Path, arguments: &[String]) -> Result<String, String> {
    let mut java = Command::new("java");
    java.current_dir(directory);
    let output = java.args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("starting `java`: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("java ended with {}: {}", output.status, String::from_utf8_lossy(&said).trim()))
}

/// Where Maven puts Apache Kafka's jars.
pub(crate) fn jars() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).unwrap_or(Path::new(".")).join("target/kafka")
}

/// The options that every JVM of ours needs to find Kafka's classes.
pub(crate) fn class_path() -> [String; 2] {
    ["-cp".to_owned(), jars().join("*").to_string_lossy().into_owned()]
}

/// An error that says what is missing, if there is no JVM or there are no jars for it. Looked at
/// once per process: a JVM costs a moment.
pub(crate) fn available() -> Result<(), String> {
    static AVAILABLE: OnceLock<Result<(), String>> = OnceLock::new();
    AVAILABLE.get_or_init(look_for_all).clone()
}

fn look_for_all() -> Result<(), String> {
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

/// The end of a log: at most that many lines.
pub(crate) fn last_lines(log: &Path, count: usize) -> String {
    /// Enough for the lines that are wanted, stack trace included.
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

    /// A supervised process that lives long, with a directory that goes with its owner.
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
    fn the_end_of_the_owner_is_the_end_of_all() {
        let (mut jvm, directory) = sleeper();
        // A stopped process must end too.
        jvm.signal(Signal::Stop).unwrap();
        assert!(exists(jvm.pid()));
        // What the system does for a process that ends.
        jvm.line = None;
        assert!(jvm.wait(SOON).is_some(), "the supervisor goes on");
        assert!(!exists(jvm.pid()));
        assert!(!directory.exists());
    }

    #[test]
    fn who_ends_in_order_keeps_the_files() {
        let (mut jvm, directory) = sleeper();
        jvm.signal(Signal::Terminate).unwrap();
        assert!(!jvm.wait(SOON).unwrap().success());
        assert!(!exists(jvm.pid()) && directory.exists());
        assert!(jvm.signal(Signal::Kill).unwrap_err().contains("ended already"));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_dropped_one_has_ended() {
        let (jvm, directory) = sleeper();
        let pid = jvm.pid();
        drop(jvm);
        assert!(!exists(pid));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn one_that_is_let_go_runs_on() {
        let (jvm, directory) = sleeper();
        let pid = jvm.pid();
        jvm.release().unwrap();
        assert!(exists(pid) && directory.exists());
        Signal::Kill.send(pid).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn what_cannot_be_started_stands_in_the_log() {
        let (jvm, directory) = sleeper();
        drop(jvm);
        let log = directory.join("other");
        let mut absent = Jvm::start_program("no-such-program", &[], &log, None).unwrap();
        assert!(!absent.wait(SOON).unwrap().success());
        let said = last_lines(&log, 1);
        assert!(said.contains("no-such-program"), "{said}");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
