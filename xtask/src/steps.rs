//! Steps: checks that run one after another, all of them, with one summary at the end.
//!
//! A failed step does not stop the next ones: who waits twenty minutes wants every finding.

use std::time::Instant;

use crate::Outcome;

/// The steps that have run, for the summary.
pub(crate) struct Steps {
    lines: Vec<String>,
    /// The names and the reasons of those that failed.
    failed: Vec<String>,
}

impl Steps {
    /// No steps yet.
    pub(crate) fn new() -> Self {
        Self { lines: Vec::new(), failed: Vec::new() }
    }

    /// Runs one step and remembers how it ended.
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

    /// Puts a remark into the summary, where nobody overlooks it.
    pub(crate) fn note(&mut self, remark: &str) {
        self.lines.push(format!("note             {remark}"));
    }

    /// Prints the summary; an error if any step failed, with the reasons, since of a long log
    /// often only the end is kept.
    pub(crate) fn finish(self) -> Outcome {
        println!("\n==> summary");
        for line in &self.lines {
            println!("{line}");
        }
        if self.failed.is_empty() {
            Ok(())
        } else {
            let failed = self.failed.join("\n  ");
            Err(format!("failed (each one's output is above):\n  {failed}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Steps;

    #[test]
    fn a_failed_step_fails_the_whole_but_the_next_one_still_runs() {
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
