//! Child processes: started in the repository's root, with errors that name the command line.

use std::io::ErrorKind;
use std::process::{Command, Stdio};

use crate::{Outcome, repository};

/// The cargo that runs this program, so that a toolchain override applies to its children too.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command to completion; it inherits the standard streams.
pub(crate) fn run(command: &mut Command) -> Outcome {
    command.current_dir(repository::root());
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("{status}: {}", line(command))) }
}

/// Runs a command to completion and returns its standard output, or the last line of its standard
/// error.
pub(crate) fn capture(command: &mut Command) -> Result<String, String> {
    command.current_dir(repository::root()).stdin(Stdio::null());
    let output = command.output().map_err(|error| not_started(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.lines().rev().map(str::trim).find(|text| !text.is_empty());
    Err(last.map_or_else(|| output.status.to_string(), ToOwned::to_owned))
}

/// Whether a program can be started with these arguments and succeeds.
pub(crate) fn succeeds(program: &std::ffi::OsStr, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(repository::root());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The command line for messages.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn not_started(command: &Command, error: &std::io::Error) -> String {
    let program = command.get_program().to_string_lossy();
    if error.kind() == ErrorKind::NotFound {
        format!("`{program}` is not installed or not on the PATH (required by `{}`)", line(command))
    } else {
        format!("starting `{}`: {error}", line(command))
    }
}
