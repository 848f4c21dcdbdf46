//! Cores: who runs where, so that both sides have the same to work with.

use std::process::Command;

use anyhow::{Context as _, bail};

use crate::start::output;

/// What stands before a command that is measured.
pub(super) const ON_THE_FIRST: [&str; 3] = ["taskset", "--cpu-list", "0"];

/// This process and all that it starts leave the first core to whoever is measured.
pub(super) fn leave_the_first() -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        bail!("this needs two cores: one for whoever is measured, and one for Kafka and the load");
    }
    let (rest, own) = (format!("1-{}", cores - 1), std::process::id().to_string());
    let mut command = Command::new("taskset");
    output(command.args(["--all-tasks", "--cpu-list", "--pid", &rest, &own]))
        .map(drop)
        .context("taskset belongs to util-linux on Linux")
}
