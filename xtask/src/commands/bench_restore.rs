//! `cargo xtask bench-restore`: whether restoring depends on the length of the log.
//!
//! The measurement itself is `trials restore`; here it gets the binaries, the machine's name and
//! its place in the documentation.

use std::process::Command as Process;

use super::Command;
use crate::bench::machine;
use crate::{Outcome, process, repository};

pub(crate) const COMMAND: Command = Command {
    name: "bench-restore",
    summary: "measure restarts and take-overs on long logs (--ratings N,… --runs N, --write, --help)",
    run,
};

/// The page that the table is written into.
const PAGE: &str = "docs/reliability.md";

fn run(arguments: &[String]) -> Outcome {
    let mut build = process::cargo();
    build.args(["build", "--release", "--locked", "--package", "erboh", "--package", "trials"]);
    process::run(&mut build)?;
    let mut trials = Process::new(repository::target("release").join("trials"));
    trials.arg("restore").arg("--directory").arg(repository::target("restore"));
    trials.arg("--machine").arg(machine::facts());
    for argument in arguments {
        trials.arg(argument);
        if argument == "--write" {
            trials.arg(repository::path(PAGE));
        }
    }
    process::run(&mut trials)
}
