//! `cargo xtask api`: both services against their own documents.
//!
//! The suite itself is `tests/api/run.py`: it has schemathesis try every operation of a demo, and
//! the standards' own schemas judge the documents.

use std::process::Command as Process;

use super::{Command, build_erboh};
use crate::tools::{self, Tool};
use crate::{Outcome, process, repository};

pub(crate) const COMMAND: Command = Command {
    name: "api",
    summary: "try every operation of the API documents (`--help` lists the options)",
    run,
};

fn run(arguments: &[String]) -> Outcome {
    match missing_tools().first() {
        Some(tool) => Err(tool.not_run()),
        None => run_suite(arguments),
    }
}

/// The tools without which the suite cannot run and that this machine does not have.
pub(crate) fn missing_tools() -> Vec<&'static Tool> {
    tools::missing(tools::FOR_API)
}

/// Runs the suite; `arguments` go to it as they are.
pub(crate) fn run_suite(arguments: &[String]) -> Outcome {
    let mut suite = Process::new(tools::python());
    suite.arg(repository::path("tests/api/run.py")).arg("--erboh").arg(build_erboh()?);
    process::run(suite.args(arguments))
}
