//! The target cluster. By default it is the kind cluster that `up` creates.

use std::process::Command;

use super::step::word;

/// The name of the kind cluster in `deploy/kind/cluster.yaml`.
pub(super) const KIND_NAME: &str = "erboh";
/// The kubeconfig context of that cluster.
const KIND_CONTEXT: &str = "kind-erboh";

/// The target cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) kubeconfig: Option<String>,
    pub(super) context: Option<String>,
}

impl Target {
    /// Whether it is the kind cluster, which `up` creates and `down` deletes.
    pub(super) fn is_own(&self) -> bool {
        self.kubeconfig.is_none() && self.context.is_none()
    }

    /// The flags that select it in kubectl and flux.
    pub(super) fn flags(&self) -> Vec<String> {
        if self.is_own() {
            return vec!["--context".to_owned(), KIND_CONTEXT.to_owned()];
        }
        let given = [("--kubeconfig", &self.kubeconfig), ("--context", &self.context)];
        let flag = |(name, value): (&str, &Option<String>)| {
            value.clone().map(|value| [name.to_owned(), value])
        };
        given.into_iter().filter_map(flag).flatten().collect()
    }

    /// The command line of `kubectl` or `flux` for this cluster.
    pub(super) fn line(&self, program: &str) -> String {
        let flags: Vec<String> = self.flags().iter().map(|flag| word(flag)).collect();
        format!("{program} {}", flags.join(" "))
    }

    /// The command line of `cargo xtask cluster VERB` for this cluster.
    pub(super) fn own_line(&self, verb: &str) -> String {
        let line = format!("cargo xtask cluster {verb}");
        if self.is_own() { line } else { self.line(&line) }
    }

    /// A kubectl command for this cluster.
    pub(super) fn kubectl(&self) -> Command {
        let mut command = Command::new("kubectl");
        command.args(self.flags());
        command
    }
}
