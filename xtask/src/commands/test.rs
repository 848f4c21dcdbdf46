//! `cargo xtask test`: every test that can run on this machine.

use super::{Command, clients, no_arguments};
use crate::steps::Steps;
use crate::{Outcome, process};

pub(crate) const COMMAND: Command = Command {
    name: "test",
    summary: "run every test that this machine can run, and name those that it cannot",
    run,
};

fn run(arguments: &[String]) -> Outcome {
    no_arguments("test", arguments)?;
    let mut steps = Steps::new();
    workspace(&mut steps);
    if clients::can_run() {
        steps.run("clients", || clients::run_suite(&[]));
    }
    for tool in clients::missing_tools() {
        steps.note(&tool.not_run());
    }
    steps.finish()
}

/// The tests written in Rust.
pub(crate) fn workspace(steps: &mut Steps) {
    steps.run("tests", || {
        let mut tests = process::cargo();
        process::run(tests.args(["test", "--workspace", "--locked", "--no-fail-fast"]))
    });
}
