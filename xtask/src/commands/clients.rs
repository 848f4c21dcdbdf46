//! `cargo xtask clients`: the embedded broker with third-party clients.
//!
//! The suite is `tests/clients/run.py`, which needs the `erboh` binary, Python with the Kafka
//! clients, and Apache Kafka's jars.

use std::process::Command as Process;

use super::Command;
use crate::tools::{self, Tool};
use crate::{Outcome, process, repository};

pub(crate) const COMMAND: Command = Command {
    name: "clients",
    summary: "test the broker with third-party clients (`--help` lists the options)",
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

/// Whether the suite can run at all: it is written in Python and creates its topics with a Python
/// client.
pub(crate) fn can_run() -> bool {
    (tools::PYTHON.present)()
}

/// The tools of the suite that are not installed.
pub(crate) fn missing_tools() -> Vec<&'static Tool> {
    tools::missing(tools::FOR_CLIENTS)
}

/// Runs the suite with the installed clients and these arguments.
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
