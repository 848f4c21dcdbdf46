//! `cargo xtask help`: lists the subcommands.

use super::{COMMANDS, Command, no_arguments};
use crate::Outcome;

pub(crate) const COMMAND: Command = Command { name: "help", summary: "list the subcommands", run };

/// Prints every subcommand with its summary.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    no_arguments("help", arguments)?;
    println!("Usage: cargo xtask <subcommand>\n");
    for command in COMMANDS {
        println!("  {:<14}{}", command.name, command.summary);
    }
    Ok(())
}
