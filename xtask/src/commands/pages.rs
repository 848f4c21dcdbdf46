//! `cargo xtask pages`: the pages of a demo, used in a real browser.
//!
//! The suite itself is `tests/pages/run.mjs`: it clicks and types as people do, with and without
//! scripts, and has axe-core look at every page.

use std::process::Command as Process;

use super::{Command, build_erboh};
use crate::tools::{self, Tool};
use crate::{Outcome, process, repository};

pub(crate) const COMMAND: Command = Command {
    name: "pages",
    summary: "use the pages in a browser, by mouse and keyboard; names select checks",
    run,
};

fn run(arguments: &[String]) -> Outcome {
    match missing_tools().first() {
        Some(tool) => Err(tool.not_run()),
        None => run_suite(arguments),
    }
}

/// The tools without which the suite cannot run and that this machine does not have.
pub(crate) fn missing_tools() -> Vec<&'static Tool> {
    tools::missing(tools::FOR_PAGES)
}

/// Runs the suite; `arguments` are words of the names of the checks to run, where not all.
pub(crate) fn run_suite(arguments: &[String]) -> Outcome {
    let Some(chromium) = tools::chromium() else { return Err(tools::CHROMIUM.not_run()) };
    let mut suite = Process::new("node");
    suite.arg(repository::path("tests/pages/run.mjs"));
    suite.arg("--erboh").arg(build_erboh()?).arg("--chromium").arg(chromium);
    process::run(suite.args(arguments))
}
