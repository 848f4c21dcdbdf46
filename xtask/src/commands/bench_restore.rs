//! `cargo xtask bench-restore`: whether restoring depends on the length of the log. The
//! measurement itself is `trials restore`.

use super::{Command, trials};
use crate::Outcome;
use crate::bench::machine;

pub(crate) const COMMAND: Command = Command {
    name: "bench-restore",
    summary: "measure restarts and take-overs on long logs (--ratings N,… --runs N, --write, --help)",
    run,
};

fn run(arguments: &[String]) -> Outcome {
    trials::build()?;
    let machine = ["--machine".to_owned(), machine::facts()];
    trials::run("release", "restore", &[&machine[..], arguments].concat())
}
