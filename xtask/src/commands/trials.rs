//! The trials: programs that run erboh for minutes and write what came of it into a page.
//!
//! What they do is theirs; here they get the binaries and their place in the documentation.

use std::process::Command as Process;

use crate::{Outcome, process, repository};

/// The page that a trial is written into.
fn page(trial: &str) -> &'static str {
    if trial == "ingest" { "docs/benchmarks.md" } else { "docs/reliability.md" }
}

/// Builds the trials and what they try, as users run it.
pub(super) fn build() -> Outcome {
    let mut build = process::cargo();
    build.args(["build", "--release", "--locked", "--package", "erboh", "--package", "trials"]);
    process::run(&mut build)
}

/// Runs a trial that was built with this profile, with its data in a directory of its name.
pub(super) fn run(profile: &str, trial: &str, arguments: &[String]) -> Outcome {
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
