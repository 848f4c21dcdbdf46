//! `cargo xtask pages`: the pages of a demo, used in a real browser.
//!
//! The suite itself is `tests/pages/run.mjs`: it clicks and types as people do, with and without
//! scripts, and has axe-core look at every page.

use std::process::Command as Process;

use super::{Command, build_erboh, if_able};
use crate::{Outcome, process, repository, tools};

pub(crate) const COMMAND: Command = Command {
    name: "pages",
    summary: "use the pages in a browser, by mouse and keyboard; names select checks",
    run,
};

fn run(arguments: &[String]) -> Outcome {
    if_able(tools::FOR_PAGES, || run_suite(arguments))
}

/// Runs the suite; `arguments` are words of the names of the checks to run, where not all.
pub(crate) fn run_suite(arguments: &[String]) -> Outcome {
    let Some(chromium) = tools::chromium() else { return Err(tools::CHROMIUM.not_run()) };
    let mut suite = Process::new("node");
    suite.arg(repository::path("tests/pages/run.mjs"));
    suite.arg("--erboh").arg(build_erboh()?).arg("--chromium").arg(chromium);
    process::run(suite.args(arguments))
}
