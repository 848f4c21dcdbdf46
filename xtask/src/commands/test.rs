//! `cargo xtask test`: every test that this machine can run within minutes.

use super::{Command, api, clients, deploy, no_arguments, pages};
use crate::steps::Steps;
use crate::tools::{self, Tool};
use crate::{Outcome, process};

pub(crate) const COMMAND: Command = Command {
    name: "test",
    summary: "run every test that this machine can run within minutes, and name those that are left out",
    run,
};

/// What `ci` runs besides, and the subcommand of each: each of them takes minutes, or builds much.
const TAKES_MINUTES: [(&str, &str); 4] = [
    ("the fault campaign", "chaos"),
    ("a producer under overload", "overload"),
    ("random bytes for every parser", "fuzz"),
    ("the sending of traces", "otlp"),
];

fn run(arguments: &[String]) -> Outcome {
    no_arguments("test", arguments)?;
    let mut steps = Steps::new();
    steps.run("tests", workspace);
    suite(&mut steps, "apache kafka", &[tools::KAFKA], |_| apache_kafka());
    if clients::can_run() {
        steps.run("clients", || clients::run_suite(&[]));
    }
    for tool in clients::missing_tools() {
        steps.note(&tool.not_run());
    }
    suite(&mut steps, "api documents", tools::FOR_API, api::run_suite);
    suite(&mut steps, "pages", tools::FOR_PAGES, pages::run_suite);
    suite(&mut steps, "deployment", tools::FOR_DEPLOY, deploy::run_suite);
    for (what, command) in TAKES_MINUTES {
        steps.note(&format!("not run: {what}; to run it: cargo xtask {command}"));
    }
    steps.finish()
}

/// Runs all of a suite, or notes every tool for want of which it cannot run.
fn suite(
    steps: &mut Steps,
    name: &'static str,
    needed: &'static [Tool],
    run: fn(&[String]) -> Outcome,
) {
    let missing = tools::missing(needed);
    if missing.is_empty() {
        steps.run(name, || run(&[]));
    }
    for tool in missing {
        steps.note(&tool.not_run());
    }
}

/// The tests written in Rust.
pub(crate) fn workspace() -> Outcome {
    process::run(process::cargo().args(["test", "--workspace", "--locked", "--no-fail-fast"]))
}

/// Each test has clusters of its own, of one to three JVMs; with more at a time a machine of two
/// cores would make them wait for each other until their deadlines.
const CLUSTERS_AT_A_TIME: &str = "3";
/// What is in a module of this name needs Apache Kafka, and is ignored without it.
const NEEDS_KAFKA: &str = "kafka::";

/// The tests that start Apache Kafka. They are part of the binaries that `workspace` has built.
pub(crate) fn apache_kafka() -> Outcome {
    let tests = |for_binaries: &[&str]| {
        let mut tests = process::cargo();
        tests.args(["test", "--workspace", "--test", "it", "--locked", "--no-fail-fast", "--"]);
        tests.args(["--ignored", NEEDS_KAFKA]).args(for_binaries);
        tests
    };
    let listed = process::capture(&mut tests(&["--list"]))?;
    let count = tests_in(&listed);
    if count == 0 {
        return Err(format!("there are no ignored tests in a module `{NEEDS_KAFKA}`"));
    }
    println!("{count} tests");
    erboh_testbed::share_classes()?;
    process::run(&mut tests(&["--test-threads", CLUSTERS_AT_A_TIME]))
}

/// How many tests a list of the test harness has.
fn tests_in(listed: &str) -> usize {
    listed.lines().filter(|line| line.ends_with(": test")).count()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_not_run_can_be_run() {
        for (_, command) in super::TAKES_MINUTES {
            assert!(crate::commands::find(command).is_ok(), "{command}");
        }
    }

    #[test]
    fn listed_tests_are_counted() {
        let listed = "a::kafka::one: test\na::kafka::two: test\n\n2 tests, 0 benchmarks\n";
        assert_eq!(super::tests_in(listed), 2);
        assert_eq!(super::tests_in("\n0 tests, 0 benchmarks\n"), 0);
    }
}
