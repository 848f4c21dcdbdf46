//! Access to nodes without Kubernetes, where available.

use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::Flags;
use crate::start::output;

/// The commands for nodes; `{node}` stands for the name.
pub(super) struct Nodes {
    run: Option<String>,
    cut: Option<(String, String)>,
}

impl Nodes {
    pub(super) fn new(flags: &Flags) -> Self {
        let cut = flags.cut_command.clone().zip(flags.join_command.clone());
        Self { run: flags.node_command.clone(), cut }
    }

    /// The command prefix that runs a command on a node: the configured one, or docker for kind's
    /// nodes.
    pub(super) fn runner(&self, node: &str) -> Option<String> {
        let docker = || is_container(node).then(|| "docker exec {node}".to_owned());
        self.run.clone().or_else(docker)
    }

    /// The commands that isolate a node and end that.
    pub(super) fn cutter(&self, node: &str) -> Option<(String, String)> {
        // `docker network disconnect` would give the node another address when it returns.
        let [cut, join] = ["docker pause {node}", "docker unpause {node}"];
        let docker = || is_container(node).then(|| (cut.to_owned(), join.to_owned()));
        self.cut.clone().or_else(docker)
    }
}

/// Runs a command line with `{node}` replaced and further arguments.
pub(super) fn run(line: &str, node: &str, more: &[&str]) -> anyhow::Result<String> {
    let line = line.replace("{node}", node);
    let mut words = line.split_whitespace();
    let program = words.next().context("the command for nodes is empty")?;
    output(Command::new(program).args(words).args(more)).with_context(|| line.clone())
}

fn is_container(node: &str) -> bool {
    let mut docker = Command::new("docker");
    docker.args(["inspect", "--type=container", node]).stdin(Stdio::null());
    docker.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_placeholder_is_replaced() {
        assert_eq!(run("echo on {node}:", "n2", &["a b"]).unwrap(), "on n2: a b\n");
        assert!(run("", "n2", &[]).unwrap_err().to_string().contains("empty"));
        assert!(run("false {node}", "n2", &[]).unwrap_err().to_string().contains("false n2"));
    }
}
