//! `cargo xtask deploy`: checks the chart, the Flux tree, the image and the workflows without a
//! cluster.
//!
//! The checks are in `tests/deploy`, in Go, to use the libraries of Helm, Flux, Kubernetes, kind
//! and Prometheus.

use std::process::Command as Process;

use super::{Command, if_able};
use crate::{Outcome, process, tools};

pub(crate) const COMMAND: Command = Command {
    name: "deploy",
    summary: "check chart, Flux tree, image and workflows (`--update-schemas` updates the schemas)",
    run,
};

/// Generates the schemas of custom resources again; needs Maven and Java 21 or newer.
const UPDATE: &str = "--update-schemas";

fn run(arguments: &[String]) -> Outcome {
    match arguments {
        [one] if one == UPDATE => process::run(&mut go(&["run", "./update"])),
        _ => if_able(tools::FOR_DEPLOY, || run_suite(arguments)),
    }
}

/// Runs the checks; `arguments` are parts of the names of the checks, by default all.
pub(crate) fn run_suite(arguments: &[String]) -> Outcome {
    process::run(Process::new(tools::hadolint()).arg("Dockerfile"))?;
    let mut suite = go(&["test", "-count=1"]);
    if !arguments.is_empty() {
        suite.arg("-v").arg("-run").arg(format!("(?i){}", arguments.join("|")));
    }
    process::run(&mut suite)
}

/// A Go command that neither downloads another toolchain nor changes `go.mod`.
fn go(arguments: &[&str]) -> Process {
    let mut go = Process::new(tools::go());
    go.args(["-C", "tests/deploy"])
        .args(arguments)
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=readonly -buildvcs=false");
    go
}
