//! Steps: checks that run in sequence, with one summary at the end.
//!
//! A failed step does not stop the next ones: a run of twenty minutes should report every finding.

use std::time::Instant;

use crate::Outcome;

/// The steps so far, for the summary.
pub(crate) struct Steps {
    lines: Vec<String>,
    /// The names and reasons of the failed steps.
    failed: Vec<String>,
}

impl Steps {
    /// No steps yet.
    pub(crate) fn new() -> Self {
        Self { lines: Vec::new(), failed: Vec::new() }
    }

    /// Runs a step and records its result.
    pub(crate) fn run(&mut self, name: &'static str, step: impl FnOnce() -> Outcome) {
        println!("\n==> {name}");
        let started = Instant::now();
        let outcome = step();
        let seconds = started.elapsed().as_secs();
        match outcome {
            Ok(()) => self.lines.push(format!("ok      {seconds:>5} s  {name}")),
            Err(reason) => {
                eprintln!("xtask: {name}: {reason}");
                self.lines.push(format!("FAILED  {seconds:>5} s  {name}"));
                self.failed.push(format!("{name}: {reason}"));
            }
        }
    }

    /// Adds a remark to the summary.
    pub(crate) fn note(&mut self, remark: &str) {
        self.lines.push(format!("note             {remark}"));
    }

    /// Prints the summary. The error repeats the reasons of failed steps, since often only the end
    /// of a long log is kept.
    pub(crate) fn finish(self) -> Outcome {
        println!("\n==> summary");
        for line in &self.lines {
            println!("{line}");
        }
        if self.failed.is_empty() {
            Ok(())
        } else {
            let failed = self.failed.join("\n  ");
            Err(format!("failed (their output is above):\n  {failed}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Steps;

    #[test]
    fn failed_step_fails_the_run_but_not_the_next_step() {
        let mut steps = Steps::new();
        let mut ran = false;
        steps.run("first", || Err("broken".to_owned()));
        steps.run("second", || {
            ran = true;
            Ok(())
        });
        assert!(ran);
        assert!(steps.finish().unwrap_err().contains("first: broken"));
    }
}
