//! `cargo xtask api`: both services against their own documents.
//!
//! The suite itself is `tests/api/run.py`: it has schemathesis try every operation of a demo, and
//! the standards' own schemas judge the documents.

use std::process::Command as Process;

use super::{Command, build_erboh, if_able};
use crate::{Outcome, process, repository, tools};

pub(crate) const COMMAND: Command = Command {
    name: "api",
    summary: "try every operation of the API documents (`--help` lists the options)",
    run,
};

fn run(arguments: &[String]) -> Outcome {
    if_able(tools::FOR_API, || run_suite(arguments))
}

/// Runs the suite; `arguments` go to it as they are.
pub(crate) fn run_suite(arguments: &[String]) -> Outcome {
    let mut suite = Process::new(tools::python());
    suite.arg(repository::path("tests/api/run.py")).arg("--erboh").arg(build_erboh()?);
    process::run(suite.args(arguments))
}
