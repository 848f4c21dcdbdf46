//! CPU pinning, so that both sides of the comparison have the same core.

use std::process::Command;

use anyhow::{Context as _, bail};

use crate::start::output;

/// The command prefix that pins the process under test to the first core.
pub(super) const PIN_TO_FIRST_CORE: [&str; 3] = ["taskset", "--cpu-list", "0"];

/// Moves this process and its future children off the first core, which is for the process under
/// test.
pub(super) fn leave_first_core() -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        bail!("two cores are required: one for the process under test, one for Kafka and the load");
    }
    let (rest, own) = (format!("1-{}", cores - 1), std::process::id().to_string());
    let mut command = Command::new("taskset");
    output(command.args(["--all-tasks", "--cpu-list", "--pid", &rest, &own]))
        .map(drop)
        .context("taskset belongs to util-linux on Linux")
}
