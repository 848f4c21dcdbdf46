//! `cargo xtask bench-ingest`: ratings over HTTP next to Kafka's own producer. The measurement
//! itself is `trials ingest`.

use super::{Command, trials};
use crate::bench::machine;
use crate::{Outcome, tools};

pub(crate) const COMMAND: Command = Command {
    name: "bench-ingest",
    summary: "measure ratings over HTTP next to Kafka's own producer (--runs N, --write, --help)",
    run,
};

fn run(arguments: &[String]) -> Outcome {
    if !(tools::KAFKA.present)() {
        return Err(tools::KAFKA.not_run());
    }
    trials::build()?;
    let machine = ["--machine".to_owned(), machine::facts()];
    trials::run("release", "ingest", &[&machine[..], arguments].concat())
}
