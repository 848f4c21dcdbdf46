//! `cargo xtask`: every check of this repository, defined once.
//!
//! ```text
//!  a person  ──► cargo xtask test ─┐
//!  .ci/run   ──► cargo xtask ci  ──┴─► steps ──► cargo, cargo-deny, tests/clients/run.py ──► closing lines
//! ```
//!
//! CI calls what a person calls, so that the two cannot drift apart. Only Rust's own library is
//! used, here and in the testbed: the task runner must build in seconds on a machine that has
//! nothing but Rust.

mod commands;
mod process;
mod repository;
mod steps;
mod tools;

use std::process::ExitCode;

/// What a subcommand answers: nothing, or one sentence that names what failed and the way out.
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
