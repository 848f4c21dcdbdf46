//! `cargo xtask chaos`: the fault campaign.
//!
//! The campaign itself is `trials chaos`; here it gets the binaries and its place in the
//! documentation.

use std::process::Command as Process;

use super::Command;
use crate::{Outcome, process, repository, tools};

pub(crate) const COMMAND: Command = Command {
    name: "chaos",
    summary: "break a running system for minutes: --minutes M --seed S --write --self-test, --help",
    run,
};

/// The page that the table of a long campaign is written into.
const PAGE: &str = "docs/reliability.md";

fn run(arguments: &[String]) -> Outcome {
    if !(tools::KAFKA.present)() {
        return Err(tools::KAFKA.not_run());
    }
    let mut build = process::cargo();
    build.args(["build", "--release", "--locked", "--package", "erboh", "--package", "trials"]);
    process::run(&mut build)?;
    campaign("release", arguments)
}

/// A campaign with the binaries that the tests have built; short enough for every change.
pub(crate) fn short(arguments: &[&str]) -> Outcome {
    process::run(process::cargo().args(["test", "--workspace", "--locked", "--no-run"]))?;
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    campaign("debug", &arguments)
}

fn campaign(profile: &str, arguments: &[String]) -> Outcome {
    let mut trials = Process::new(repository::target(profile).join("trials"));
    trials.arg("chaos").arg("--directory").arg(repository::target("chaos"));
    for argument in arguments {
        trials.arg(argument);
        if argument == "--write" {
            trials.arg(repository::path(PAGE));
        }
    }
    process::run(&mut trials)
}
