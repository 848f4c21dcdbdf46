//! The trials: programs that run erboh for minutes and write reports into the documentation.
//!
//! They are defined in `crates/trials`; here they are built and get the paths of their pages.

use std::process::Command as Process;

use super::{Command, build_erboh, if_able};
use crate::{Outcome, process, repository, tools};

pub(crate) const CHAOS: Command = Command {
    name: "chaos",
    summary: "inject faults for minutes: --minutes M --seed S --write --self-test, --help",
    run: |arguments| run("chaos", arguments),
};

pub(crate) const OVERLOAD: Command = Command {
    name: "overload",
    summary: "offer a producer four times its capacity (--seconds N, --broker NAME, --help)",
    run: |arguments| run("overload", &[&["--judge-times".to_owned()], arguments].concat()),
};

pub(crate) const BENCH_BROKER: Command = Command {
    name: "bench-broker",
    summary: "benchmark the embedded broker next to Apache Kafka (--runs N, --records N, --write)",
    run: |arguments| run("broker", arguments),
};

pub(crate) const BENCH_INGEST: Command = Command {
    name: "bench-ingest",
    summary: "benchmark ratings over HTTP next to Kafka's own producer (--runs N, --write, --help)",
    run: |arguments| run("ingest", arguments),
};

pub(crate) const BENCH_RESTORE: Command = Command {
    name: "bench-restore",
    summary: "benchmark restarts and take-overs on long logs (--ratings N,… --runs N, --write, --help)",
    run: |arguments| run("restore", arguments),
};

/// The page with the report of a trial.
fn page(trial: &str) -> &'static str {
    if matches!(trial, "broker" | "ingest") { "docs/benchmarks.md" } else { "docs/reliability.md" }
}

/// Builds release binaries of erboh and the trials, and runs a trial.
fn run(trial: &str, arguments: &[String]) -> Outcome {
    // The embedded broker needs no further tools.
    let embedded = arguments.iter().any(|argument| argument.contains("embedded"));
    if_able(if embedded { &[] } else { &[tools::KAFKA] }, || {
        let mut build = process::cargo();
        build.args(["build", "--release", "--locked", "--package", "erboh", "--package", "trials"]);
        process::run(&mut build)?;
        run_built("release", trial, arguments)
    })
}

/// Runs a trial with the debug binaries that the tests have built; short enough for every change.
pub(super) fn short(trial: &str, arguments: &[&str]) -> Outcome {
    build_erboh()?;
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    run_built("debug", trial, &arguments)
}

/// Runs a trial built with this profile, with its data in a directory of its name.
fn run_built(profile: &str, trial: &str, arguments: &[String]) -> Outcome {
    let mut trials = Process::new(repository::target(profile).join("trials"));
    trials.arg(trial).arg("--directory").arg(repository::target(trial));
    for argument in arguments {
        trials.arg(argument);
        if argument == "--write" {
            trials.arg(repository::path(page(trial)));
        }
    }
    process::run(&mut trials)
}
