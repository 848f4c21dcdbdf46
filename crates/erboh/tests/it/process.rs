//! The real binary: a command that is run to its end, or a demo, a broker or a role as a process,
//! started on ports that are free, and ended with its test.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use erboh_testbed::{Child, Signal};

use crate::WAIT_MAX;

/// Flags with which demos do not get in each other's way.
pub(crate) const ANY_PORT: [&str; 3] = [
    "--producer-listen=127.0.0.1:0",
    "--consumer-listen=127.0.0.1:0",
    "--kafka-listen=127.0.0.1:0",
];

/// Runs a command of erboh to its end; no variable of whoever runs the tests reaches it.
pub(crate) fn erboh(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_erboh"));
    command.args(arguments).env_clear().output().expect("the binary runs")
}

/// A process that ends with the test, whatever the test does.
pub(crate) struct Process {
    child: Child,
    /// A file, because a pipe that nobody reads would stop a demo with much to say.
    errors: PathBuf,
}

impl Process {
    /// Starts a demo for a user with this home directory, where its data is kept too.
    pub(crate) fn demo(home: &Path, flags: &[&str]) -> Self {
        Self::start("demo", home, flags)
    }

    /// Starts a broker on some port, with its data in this directory.
    pub(crate) fn broker(home: &Path, flags: &[&str]) -> Self {
        Self::start("broker", home, &[&["--listen=127.0.0.1:0"], flags].concat())
    }

    /// Starts one of the roles with these flags.
    pub(crate) fn start(role: &str, home: &Path, flags: &[&str]) -> Self {
        Self::start_with(role, home, flags, &[])
    }

    /// The same with these variables.
    pub(crate) fn start_with(
        role: &str,
        home: &Path,
        flags: &[&str],
        variables: &[(&str, &OsStr)],
    ) -> Self {
        let errors = home.join("errors");
        let mut command = Command::new(env!("CARGO_BIN_EXE_erboh"));
        command.args([role, "--log-format", "text"]).args(flags).env_clear().env("HOME", home);
        command.envs(variables.iter().copied());
        command.stdout(Stdio::piped()).stderr(File::create(&errors).expect("a file"));
        Self { child: Child::spawn(command).expect("the binary runs"), errors }
    }

    /// The address that a broker prints first.
    pub(crate) fn address(&mut self) -> String {
        let stdout = BufReader::new(self.child.take_stdout().expect("its output"));
        let line = stdout.lines().map_while(Result::ok).next().expect("a line");
        line.split_whitespace().last().expect("an address").to_owned()
    }

    /// Reads what the demo prints when it is ready: names and places, in their order.
    pub(crate) fn places(&mut self) -> Vec<(String, String)> {
        let stdout = BufReader::new(self.child.take_stdout().expect("its output"));
        let mut places = Vec::new();
        for line in stdout.lines().map_while(Result::ok) {
            let mut words = line.trim().splitn(2, "  ");
            if let (Some(name), Some(place)) = (words.next(), words.next()) {
                places.push((name.to_owned(), place.trim().to_owned()));
            }
            if line.contains("Ctrl-C stops") {
                return places;
            }
        }
        panic!("the demo ended before it was ready");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.child.signal(signal).expect("it runs");
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::Terminate);
    }

    /// kill -9
    pub(crate) fn kill(mut self) {
        self.signal(Signal::Kill);
        self.child.wait(WAIT_MAX).expect("it ends");
    }

    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.child.wait(WAIT_MAX).expect("it ends").code()
    }

    /// What it has written to standard error.
    pub(crate) fn errors(&self) -> String {
        std::fs::read_to_string(&self.errors).expect("errors are text")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the process said: {}",
                std::fs::read_to_string(&self.errors).unwrap_or_default()
            );
        }
    }
}
