//! `cargo xtask test`: all tests that this machine can run within minutes.

use super::{Command, api, clients, deploy, no_arguments, pages};
use crate::steps::Steps;
use crate::tools::{self, Tool};
use crate::{Outcome, process};

pub(crate) const COMMAND: Command = Command {
    name: "test",
    summary: "run all tests that this machine can run within minutes, and list those left out",
    run,
};

/// Checks that only `ci` runs, with their subcommands: each takes minutes or a large build.
const ONLY_IN_CI: [(&str, &str); 4] = [
    ("the chaos campaign", "chaos"),
    ("the overload trial", "overload"),
    ("fuzzing", "fuzz"),
    ("the export of traces", "otlp"),
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
    for (what, command) in ONLY_IN_CI {
        steps.note(&format!("not run: {what}; to run it: cargo xtask {command}"));
    }
    steps.finish()
}

/// Runs a whole suite, or notes every missing tool.
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

/// Each test has its own cluster of one to three JVMs; with more, tests on two cores would slow
/// each other down until their deadlines.
const CONCURRENT_CLUSTERS: &str = "3";
/// Tests in modules of this name need Apache Kafka, and are ignored by default.
const NEEDS_KAFKA: &str = "kafka::";

/// The tests with Apache Kafka. They are in the binaries that `workspace` has built.
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
    process::run(&mut tests(&["--test-threads", CONCURRENT_CLUSTERS]))
}

/// Counts the tests in a list of the test harness.
fn tests_in(listed: &str) -> usize {
    listed.lines().filter(|line| line.ends_with(": test")).count()
}

#[cfg(test)]
mod tests {
    #[test]
    fn omitted_checks_have_subcommands() {
        for (_, command) in super::ONLY_IN_CI {
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
