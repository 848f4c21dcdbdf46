//! Step: one line of a plan: what it is for, and the command lines that do it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::ready;
use super::target::Target;
use crate::{Outcome, repository};

/// Lines of what a failed command said that are repeated.
const LAST_LINES: usize = 15;
/// Columns that a step's name takes, so that the times stand below each other.
const NAME_COLUMNS: usize = 46;

/// One step.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) action: Action,
}

/// What a step does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Command lines for `sh`, each of which must succeed.
    Run(Vec<String>),
    /// Until this Kustomization, and what it made, is Ready. To type: `kubectl wait`.
    Wait(&'static str),
    /// Until everything is.
    WaitAll,
}

impl Step {
    pub(super) fn run(name: &str, lines: impl IntoIterator<Item = String>) -> Self {
        Self { name: name.to_owned(), action: Action::Run(lines.into_iter().collect()) }
    }

    /// The command lines as a person would type them.
    fn lines(&self, target: &Target) -> Vec<String> {
        let kubectl = target.line("kubectl");
        let minutes = ready::TIME_LIMIT.as_secs() / 60;
        match &self.action {
            Action::Run(lines) => lines.clone(),
            Action::Wait(name) => vec![format!(
                "{kubectl} -n flux-system wait kustomization/{name} --for=condition=Ready \
                 --timeout={minutes}m"
            )],
            Action::WaitAll => vec![target.own_line("status")],
        }
    }

    /// Does it, and prints its name and how long it took.
    fn take(&self, target: &Target, log: &str) -> Outcome {
        print!("{:<NAME_COLUMNS$}", self.name);
        // Whoever reads along sees what takes so long.
        let _ = std::io::stdout().flush();
        let started = Instant::now();
        match &self.action {
            Action::Run(lines) => lines.iter().try_for_each(|line| shell(line, log))?,
            Action::Wait(name) => ready::wait(target, Some(name))?,
            Action::WaitAll => ready::wait(target, None)?,
        }
        println!("{:>6.1} s", started.elapsed().as_secs_f64());
        Ok(())
    }
}

/// Does all steps, and stops at the first that fails. What the commands say goes to a file.
pub(super) fn take_all(steps: &[Step], target: &Target, log: &str) -> Outcome {
    let path = repository::path(log);
    let folder = path.parent().unwrap_or(repository::root());
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, ""))
        .map_err(|error| format!("writing {log}: {error}"))?;
    steps.iter().try_for_each(|step| {
        step.take(target, log).map_err(|reason| {
            println!();
            format!("{}: {reason}", step.name)
        })
    })
}

/// The steps as a script.
pub(super) fn script(steps: &[Step], target: &Target) -> String {
    let mut text = String::new();
    for (step, number) in steps.iter().zip(1..) {
        let _ = writeln!(text, "# {number}. {}", step.name);
        for line in step.lines(target) {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// Runs a command line in the repository's root; an error repeats what was said last.
fn shell(line: &str, log: &str) -> Outcome {
    let path = repository::path(log);
    let failed = |error: std::io::Error| format!("`{line}`: {error}");
    let file = std::fs::OpenOptions::new().append(true).open(&path).map_err(failed)?;
    let before = file.metadata().map_err(failed)?.len();
    let mut command = Command::new("sh");
    command.args(["-euc", line]).current_dir(repository::root()).stdin(Stdio::null());
    command.stdout(file.try_clone().map_err(failed)?).stderr(file);
    if command.status().map_err(failed)?.success() {
        return Ok(());
    }
    let said = std::fs::read(&path).unwrap_or_default();
    let said = String::from_utf8_lossy(&said[(before as usize).min(said.len())..]).into_owned();
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n    ");
    Err(format!("`{line}` failed; everything it said is in {log}, and last:\n    {last}"))
}

/// A word as the shell takes it back.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_through_the_shell_as_they_are() {
        for text in ["", "plain", "a b", "it's", "$HOME `x` \"q\" *", "{\"a\":[1]}"] {
            let mut sh = Command::new("sh");
            let output = sh.args(["-c", &format!("printf %s {}", word(text))]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
        assert_eq!(word("--context=kind-erboh"), "--context=kind-erboh");
    }

    #[test]
    fn a_script_numbers_its_steps() {
        let steps = [
            Step::run("first", ["true".to_owned(), "false".to_owned()]),
            Step { name: "second".to_owned(), action: Action::Wait("kafka") },
        ];
        let text = script(&steps, &Target::default());
        assert_eq!(
            text,
            "# 1. first\ntrue\nfalse\n# 2. second\nkubectl --context kind-erboh -n flux-system \
             wait kustomization/kafka --for=condition=Ready --timeout=20m\n"
        );
    }
}
