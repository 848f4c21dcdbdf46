//! `cargo xtask`: every check of this repository, defined once.
//!
//! ```text
//!  developer ──► cargo xtask test ─┐
//!  .ci/run   ──► cargo xtask ci  ──┴─► steps ──► cargo, cargo-deny, tests/clients/run.py ──► summary
//! ```
//!
//! CI runs the same commands as a developer, so that they cannot diverge. Only the standard library
//! is used, here and in the testbed: the task runner must build in seconds on a machine that has
//! only Rust.

mod commands;
mod process;
mod repository;
mod steps;
mod tools;

use std::process::ExitCode;

/// The result of a subcommand; an error is one sentence that names what failed, and the remedy.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        None => commands::help::run(&[]),
        Some((name, rest)) => commands::find(name).and_then(|command| (command.run)(rest)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}
