//! `cargo xtask clients`: the embedded broker, used by clients that we did not write.
//!
//! The suite itself is `tests/clients/run.py`; here it gets what it needs: the `erboh` binary,
//! a Python that has the Kafka clients, and Apache Kafka's jars.

use std::process::Command as Process;

use super::Command;
use crate::tools::{self, Tool};
use crate::{Outcome, process, repository};

pub(crate) const COMMAND: Command = Command {
    name: "clients",
    summary: "drive the broker with clients that others wrote (`--help` lists the options)",
    run,
};

fn run(arguments: &[String]) -> Outcome {
    if !can_run() {
        return Err(tools::PYTHON.not_run());
    }
    for tool in missing_tools() {
        println!("{}", tool.not_run());
    }
    run_suite(arguments)
}

/// Whether any of the suite can run: it is written in Python and prepares its topics with a
/// Python client.
pub(crate) fn can_run() -> bool {
    (tools::PYTHON.present)()
}

/// The tools that the suite would use and that this machine does not have.
pub(crate) fn missing_tools() -> Vec<&'static Tool> {
    tools::missing(tools::FOR_CLIENTS)
}

/// Runs the suite with the clients that are there; `arguments` go to it as they are.
pub(crate) fn run_suite(arguments: &[String]) -> Outcome {
    let mut suite = Process::new(tools::python());
    suite.arg(repository::path("tests/clients/run.py")).arg("--go").arg(tools::go());
    if !arguments.iter().any(|argument| argument.starts_with("--bootstrap")) {
        suite.arg("--erboh").arg(super::build_erboh()?);
    }
    for tool in missing_tools() {
        suite.args(["--without", tool.name]);
    }
    process::run(suite.args(arguments))
}
