//! The subcommands, one per file but for the trials, and the table that names them.

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

/// A subcommand: what a person types, what `help` says about it, and what runs.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) run: fn(&[String]) -> Outcome,
}

/// Every subcommand, in the order in which `help` lists them.
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

/// The subcommand of that name.
pub(crate) fn find(name: &str) -> Result<&'static Command, String> {
    let asked = if matches!(name, "-h" | "--help") { "help" } else { name };
    COMMANDS.iter().find(|command| command.name == asked).ok_or_else(|| {
        format!("there is no subcommand `{name}`; `cargo xtask help` lists what there is")
    })
}

/// Builds the binary that the tests use too, and answers where it is: built alone it would need
/// other features of the dependencies, and so most of them once more.
fn build_erboh() -> Result<PathBuf, String> {
    process::run(process::cargo().args(["test", "--workspace", "--locked", "--no-run"]))?;
    Ok(repository::target("debug/erboh"))
}

/// Runs a suite if this machine has all the tools that it needs, and else names one that is missing.
fn if_able(needed: &'static [Tool], suite: impl FnOnce() -> Outcome) -> Outcome {
    match tools::missing(needed).first() {
        Some(tool) => Err(tool.not_run()),
        None => suite(),
    }
}

/// For subcommands that take no arguments: refuses what would otherwise be silently ignored.
fn no_arguments(name: &str, arguments: &[String]) -> Outcome {
    match arguments.first() {
        None => Ok(()),
        Some(first) => Err(format!("`{name}` takes no arguments, but was given `{first}`")),
    }
}
