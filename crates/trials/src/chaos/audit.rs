//! Runs `erboh audit` as a user would.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::campaign::System;
use super::violation::{Guarantee, Violations};

/// Runs `erboh audit` against every board and returns its result.
///
/// # Errors
/// When it cannot be started.
pub(super) fn run(
    erboh: &Path,
    system: &System,
    violations: &mut Violations,
) -> anyhow::Result<String> {
    let boards: Vec<String> = system.consumers.iter().map(|board| board.url("")).collect();
    let mut command = Command::new(erboh);
    command.arg("audit").arg(format!("--brokers={}", system.bootstrap));
    command.arg(format!("--board={}", boards.join(",")));
    let output = command.stdin(Stdio::null()).output().context("starting erboh audit")?;
    if output.status.success() {
        return Ok("exact".to_owned());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    violations.add(Guarantee::Audit, format!("{}: {out} {err}", output.status));
    Ok(format!("{}", output.status))
}
