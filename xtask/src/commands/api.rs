//! `cargo xtask api`: checks both services against their API documents.
//!
//! The suite is `tests/api/run.py`: schemathesis calls every operation of a demo, and the documents
//! are validated against the official schemas.

use std::process::Command as Process;

use super::{Command, build_erboh, if_able};
use crate::{Outcome, process, repository, tools};

pub(crate) const COMMAND: Command = Command {
    name: "api",
    summary: "check every operation of the API documents (`--help` lists the options)",
    run,
};

fn run(arguments: &[String]) -> Outcome {
    if_able(tools::FOR_API, || run_suite(arguments))
}

/// Runs the suite with these arguments.
pub(crate) fn run_suite(arguments: &[String]) -> Outcome {
    let mut suite = Process::new(tools::python());
    suite.arg(repository::path("tests/api/run.py")).arg("--erboh").arg(build_erboh()?);
    process::run(suite.args(arguments))
}
