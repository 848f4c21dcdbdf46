//! `cargo xtask overload`: a producer that is offered four times what it can take. The trial itself
//! is `trials overload`.

use super::{Command, trials};
use crate::{Outcome, process, tools};

pub(crate) const COMMAND: Command = Command {
    name: "overload",
    summary: "offer a producer four times what it can take (--seconds N, --broker NAME, --help)",
    run,
};

fn run(arguments: &[String]) -> Outcome {
    if !(tools::KAFKA.present)() && !arguments.iter().any(|argument| argument.contains("embedded"))
    {
        return Err(tools::KAFKA.not_run());
    }
    trials::build()?;
    let times = ["--judge-times".to_owned()];
    trials::run("release", "overload", &[&times[..], arguments].concat())
}

/// A short trial with the binaries that the tests have built. Answering times are printed and not
/// judged: other checks run beside it.
pub(crate) fn short(seconds: &str) -> Outcome {
    process::run(process::cargo().args(["test", "--workspace", "--locked", "--no-run"]))?;
    let arguments = ["--seconds", seconds, "--broker", "embedded"].map(str::to_owned);
    trials::run("debug", "overload", &arguments)
}
