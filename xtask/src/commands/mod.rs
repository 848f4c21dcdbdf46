//! The subcommands, one per file except for the trials, and the table that lists them.

pub(crate) mod help;

mod api;
mod ci;
mod clients;
mod cluster;
mod deploy;
mod fuzz;
mod kafka;
mod otlp;
mod pages;
mod test;
mod trials;

use std::path::PathBuf;

use crate::tools::{self, Tool};
use crate::{Outcome, process, repository};

/// A subcommand: its name, its line in `help`, and its function.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) run: fn(&[String]) -> Outcome,
}

/// All subcommands, in the order of `help`.
pub(crate) const COMMANDS: &[Command] = &[
    test::COMMAND,
    ci::COMMAND,
    clients::COMMAND,
    api::COMMAND,
    pages::COMMAND,
    deploy::COMMAND,
    fuzz::COMMAND,
    trials::CHAOS,
    trials::OVERLOAD,
    trials::BENCH_BROKER,
    trials::BENCH_INGEST,
    trials::BENCH_RESTORE,
    otlp::COMMAND,
    kafka::COMMAND,
    cluster::COMMAND,
    help::COMMAND,
];

/// Finds a subcommand by name.
pub(crate) fn find(name: &str) -> Result<&'static Command, String> {
    let wanted = if matches!(name, "-h" | "--help") { "help" } else { name };
    COMMANDS
        .iter()
        .find(|command| command.name == wanted)
        .ok_or_else(|| format!("there is no subcommand `{name}`; `cargo xtask help` lists them"))
}

/// Builds the `erboh` binary together with the tests and returns its path. Built alone it would
/// need other features of its dependencies, most of which would be compiled again.
fn build_erboh() -> Result<PathBuf, String> {
    process::run(process::cargo().args(["test", "--workspace", "--locked", "--no-run"]))?;
    Ok(repository::target("debug/erboh"))
}

/// Runs a suite if all its tools are installed; otherwise the error names a missing one.
fn if_able(needed: &'static [Tool], suite: impl FnOnce() -> Outcome) -> Outcome {
    match tools::missing(needed).first() {
        Some(tool) => Err(tool.not_run()),
        None => suite(),
    }
}

/// For subcommands without arguments: rejects arguments instead of ignoring them.
fn no_arguments(name: &str, arguments: &[String]) -> Outcome {
    match arguments.first() {
        None => Ok(()),
        Some(first) => Err(format!("`{name}` takes no arguments, but was given `{first}`")),
    }
}
