//! `cargo xtask ci`: all checks of a change. Nothing is skipped: a missing tool is a failure.

use super::{Command, api, clients, deploy, fuzz, no_arguments, otlp, pages, test, trials};
use crate::steps::Steps;
use crate::{Outcome, process, tools};

pub(crate) const COMMAND: Command = Command {
    name: "ci",
    summary: "run every test, format, lint, documentation and licence check; nothing is skipped",
    run,
};

/// Finds immediate regressions; a change of a parser needs a longer run.
const FUZZ_SECONDS_EACH: u32 = 20;

/// Fixed, so that a run only fails because of the change.
const FUZZ_SEED: u32 = 20_211_103;

/// Covers every kind of fault; the seed is fixed, and printed by the campaign.
const CHAOS_MINUTES: &str = "3";

/// With hundreds of clients, unbounded memory grows within seconds.
const OVERLOAD_SECONDS: &str = "10";

fn run(arguments: &[String]) -> Outcome {
    no_arguments("ci", arguments)?;
    let missing = tools::missing(tools::FOR_CI);
    if !missing.is_empty() {
        let lines: Vec<String> =
            missing.iter().map(|tool| format!("  {}: {}", tool.name, tool.install)).collect();
        return Err(format!(
            "ci skips nothing, but these tools are missing (`bash .ci/run` installs them):\n{}",
            lines.join("\n")
        ));
    }

    let mut steps = Steps::new();
    steps.run("format", || {
        process::run(process::cargo().args(["fmt", "--all", "--check"]))?;
        let mut fuzz = process::cargo();
        process::run(fuzz.args(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))
    });
    dependencies(&mut steps);
    steps.run("lints", || {
        let mut clippy = process::cargo();
        // The feature only adds code, so one run covers both builds.
        clippy.args(["clippy", "--workspace", "--all-targets", "--features", otlp::FEATURE]);
        process::run(clippy.args(["--locked", "--", "-Dwarnings"]))
    });
    steps.run("documentation", || {
        let mut doc = process::cargo();
        doc.args(["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"]);
        // The same features as for clippy, so that dependencies are checked once.
        doc.args(["--features", otlp::FEATURE]);
        process::run(doc.env("RUSTDOCFLAGS", "-Dwarnings"))
    });
    steps.run("tests", test::workspace);
    steps.run("apache kafka", test::apache_kafka);
    steps.run("chaos", || trials::short("chaos", &["--minutes", CHAOS_MINUTES]));
    steps.run("chaos self-test", || trials::short("chaos", &["--self-test"]));
    // Latencies are printed but not judged: a debug build is not representative.
    steps.run("overload", || {
        trials::short("overload", &["--broker", "embedded", "--seconds", OVERLOAD_SECONDS])
    });
    steps.run("clients", || clients::run_suite(&[]));
    steps.run("api documents", || api::run_suite(&[]));
    steps.run("pages", || pages::run_suite(&[]));
    steps.run("deployment", || deploy::run_suite(&[]));
    steps.run("traces (feature otlp)", otlp::check);
    steps.run("fuzz", || fuzz::fuzz(FUZZ_SECONDS_EACH, FUZZ_SEED));
    steps.finish()
}

/// Licences, bans and sources depend only on the lock file and can fail a change. Advisories depend
/// on the current database; findings are noted, but do not fail the change.
fn dependencies(steps: &mut Steps) {
    steps.run("licences, bans, sources", || deny(&["check", "licenses", "bans", "sources"]));
    let found = match process::capture(process::cargo().args(["deny", "--locked", "fetch", "db"])) {
        Ok(_) if deny(&["check", "advisories"]).is_ok() => "none".to_owned(),
        Ok(_) => "FOUND (see above)".to_owned(),
        Err(reason) => format!("NOT CHECKED, the database is not available: {reason}"),
    };
    steps.note(&format!("advisories: {found}; to run it: cargo deny check advisories"));
}

fn deny(arguments: &[&str]) -> Outcome {
    process::run(process::cargo().args(["deny", "--locked", "--workspace"]).args(arguments))
}
