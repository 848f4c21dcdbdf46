//! `cargo xtask deploy`: the chart, the Flux tree, the image and the workflows, without a cluster.
//!
//! The checks themselves are in `tests/deploy`, in Go: there are the libraries of Helm, Flux,
//! Kubernetes, kind and Prometheus, which then judge what is theirs.

use std::process::Command as Process;

use super::{Command, if_able};
use crate::{Outcome, process, tools};

pub(crate) const COMMAND: Command = Command {
    name: "deploy",
    summary: "check chart, Flux tree, image and workflows (`--update-schemas` renews the schemas)",
    run,
};

/// Writes the schemas of custom resources anew; needs Maven and Java 21 or newer.
const UPDATE: &str = "--update-schemas";

fn run(arguments: &[String]) -> Outcome {
    match arguments {
        [one] if one == UPDATE => process::run(&mut go(&["run", "./update"])),
        _ => if_able(tools::FOR_DEPLOY, || run_suite(arguments)),
    }
}

/// Runs the checks; `arguments` are words of the names of those to run, where not all.
pub(crate) fn run_suite(arguments: &[String]) -> Outcome {
    process::run(Process::new(tools::hadolint()).arg("Dockerfile"))?;
    let mut suite = go(&["test", "-count=1"]);
    if !arguments.is_empty() {
        suite.arg("-v").arg("-run").arg(format!("(?i){}", arguments.join("|")));
    }
    process::run(&mut suite)
}

/// Go as it is: it fetches no other Go, and changes no list of modules.
fn go(arguments: &[&str]) -> Process {
    let mut go = Process::new(tools::go());
    go.args(["-C", "tests/deploy"])
        .args(arguments)
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=readonly -buildvcs=false");
    go
}
