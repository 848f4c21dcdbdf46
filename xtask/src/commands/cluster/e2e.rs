//! `cargo xtask cluster e2e`: builds the binaries and runs the scenario of the trials.

use std::process::Command;

use crate::{Outcome, process, repository};

pub(super) fn run(arguments: &[String]) -> Outcome {
    let mut build = process::cargo();
    build.args(["build", "--release", "--locked", "--package", "erboh", "--package", "trials"]);
    process::run(&mut build)?;
    let own = std::env::current_exe().map_err(|error| format!("the path of xtask: {error}"))?;
    let mut trials = Command::new(repository::target("release/trials"));
    trials.arg("cluster").arg("--directory").arg(repository::target("cluster"));
    trials.arg("--xtask").arg(own);
    for argument in arguments {
        trials.arg(argument);
        if argument == "--write" {
            trials.arg(repository::path("docs/kubernetes.md"));
        }
    }
    process::run(&mut trials)
}
