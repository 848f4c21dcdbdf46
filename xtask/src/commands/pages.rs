//! `cargo xtask pages`: tests the pages of a demo in a real browser.
//!
//! The suite is `tests/pages/run.mjs`: it uses mouse and keyboard, with and without JavaScript, and
//! checks every page with axe-core.

use std::process::Command as Process;

use super::{Command, build_erboh, if_able};
use crate::{Outcome, process, repository, tools};

pub(crate) const COMMAND: Command = Command {
    name: "pages",
    summary: "test the pages in a browser, by mouse and keyboard; arguments select checks",
    run,
};

fn run(arguments: &[String]) -> Outcome {
    if_able(tools::FOR_PAGES, || run_suite(arguments))
}

/// Runs the suite; `arguments` are parts of the names of the checks, by default all.
pub(crate) fn run_suite(arguments: &[String]) -> Outcome {
    let Some(chromium) = tools::chromium() else { return Err(tools::CHROMIUM.not_run()) };
    let mut suite = Process::new("node");
    suite.arg(repository::path("tests/pages/run.mjs"));
    suite.arg("--erboh").arg(build_erboh()?).arg("--chromium").arg(chromium);
    process::run(suite.args(arguments))
}
