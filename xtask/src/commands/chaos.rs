//! `cargo xtask chaos`: the fault campaign. The campaign itself is `trials chaos`.

use super::{Command, trials};
use crate::{Outcome, process, tools};

pub(crate) const COMMAND: Command = Command {
    name: "chaos",
    summary: "break a running system for minutes: --minutes M --seed S --write --self-test, --help",
    run,
};

fn run(arguments: &[String]) -> Outcome {
    if !(tools::KAFKA.present)() {
        return Err(tools::KAFKA.not_run());
    }
    trials::build()?;
    trials::run("release", "chaos", arguments)
}

/// A campaign with the binaries that the tests have built; short enough for every change.
pub(crate) fn short(arguments: &[&str]) -> Outcome {
    process::run(process::cargo().args(["test", "--workspace", "--locked", "--no-run"]))?;
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    trials::run("debug", "chaos", &arguments)
}
