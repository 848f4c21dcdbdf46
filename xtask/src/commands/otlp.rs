//! `cargo xtask otlp`: tests the feature that exports traces, and that builds without it do not
//! depend on OpenTelemetry.

use super::{Command, no_arguments};
use crate::{Outcome, process};

pub(crate) const COMMAND: Command = Command {
    name: "otlp",
    summary: "test the export of traces, and that a default build does not include it",
    run,
};

/// The feature, named from the whole workspace. Building the package alone would select other
/// features of its dependencies and compile nearly everything again.
pub(crate) const FEATURE: &str = "erboh/otlp";

/// Modules of this name exist only with the feature.
const TESTS: &str = "otlp::";

fn run(arguments: &[String]) -> Outcome {
    no_arguments("otlp", arguments)?;
    check()
}

/// Checks the dependencies of a default build, then runs the tests of the feature.
pub(crate) fn check() -> Outcome {
    let mut tree = process::cargo();
    tree.args(["tree", "--package", "erboh", "--edges", "normal,build", "--locked"]);
    let depends = process::capture(tree.args(["--prefix", "none"]))?;
    if let Some(line) = depends.lines().find(|line| line.contains("opentelemetry")) {
        return Err(format!(
            "erboh depends on {line} without its feature otlp; make it optional in crates/erboh/Cargo.toml"
        ));
    }
    let mut tests = process::cargo();
    tests.args(["test", "--workspace", "--features", FEATURE, "--test", "it", "--locked"]);
    process::run(tests.args(["--", TESTS]))
}
