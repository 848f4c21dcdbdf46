//! `cargo xtask otlp`: the feature that sends traces works where it is on, and is not there where
//! it is off.

use super::{Command, no_arguments};
use crate::{Outcome, process};

pub(crate) const COMMAND: Command = Command {
    name: "otlp",
    summary: "test the sending of traces, and that an ordinary build has nothing of it",
    run,
};

/// The feature, as it is named from the whole workspace. A package alone would have other features
/// of what it depends on, and nearly everything would be built a second time.
pub(crate) const FEATURE: &str = "erboh/otlp";

/// What is in a module of this name is only there with the feature.
const TESTS: &str = "otlp::";

fn run(arguments: &[String]) -> Outcome {
    no_arguments("otlp", arguments)?;
    check()
}

/// Looks at what an ordinary build depends on, then runs the tests of the feature.
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
