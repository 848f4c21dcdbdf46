//! A step of a plan: a name, and command lines or a wait.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::ready;
use super::target::Target;
use crate::{Outcome, repository};

/// Output lines of a failed command that its error repeats.
const LAST_LINES: usize = 15;
/// Width of a step's name, so that the times are aligned.
const NAME_COLUMNS: usize = 46;

/// A step of a plan.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) action: Action,
}

/// The action of a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Command lines for `sh`, each of which must succeed.
    Run(Vec<String>),
    /// Waits until a Kustomization and its objects are Ready. Printed as `kubectl wait`.
    Wait(&'static str),
    /// Waits until everything is Ready.
    WaitAll,
}

impl Step {
    pub(super) fn run(name: &str, lines: impl IntoIterator<Item = String>) -> Self {
        Self { name: name.to_owned(), action: Action::Run(lines.into_iter().collect()) }
    }

    /// The command lines for `--print`.
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

    /// Runs the step, and prints its name and duration.
    fn execute(&self, target: &Target, log: &str) -> Outcome {
        print!("{:<NAME_COLUMNS$}", self.name);
        // Shows the name of a step that takes long.
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

/// Runs the steps until the first failure. The output of the commands goes to a file.
pub(super) fn run_all(steps: &[Step], target: &Target, log: &str) -> Outcome {
    let path = repository::path(log);
    let folder = path.parent().unwrap_or(repository::root());
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, ""))
        .map_err(|error| format!("writing {log}: {error}"))?;
    steps.iter().try_for_each(|step| {
        step.execute(target, log).map_err(|reason| {
            println!();
            format!("{}: {reason}", step.name)
        })
    })
}

/// The steps as a shell script.
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

/// Runs a command line in the repository's root; an error repeats the end of the output.
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
    let output = std::fs::read(&path).unwrap_or_default();
    let output =
        String::from_utf8_lossy(&output[(before as usize).min(output.len())..]).into_owned();
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n    ");
    Err(format!("`{line}` failed; the whole output is in {log}, its end:\n    {last}"))
}

/// Quotes a word for the shell, if necessary.
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
    fn quoted_words_survive_the_shell() {
        for text in ["", "plain", "a b", "it's", "$HOME `x` \"q\" *", "{\"a\":[1]}"] {
            let mut sh = Command::new("sh");
            let output = sh.args(["-c", &format!("printf %s {}", word(text))]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
        assert_eq!(word("--context=kind-erboh"), "--context=kind-erboh");
    }

    #[test]
    fn script_numbers_its_steps() {
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
