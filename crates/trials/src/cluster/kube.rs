//! The Kubernetes cluster, through kubectl and flux.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::Flags;
use crate::start::output;

/// The context of the kind cluster that `cargo xtask cluster up` creates.
const KIND_CONTEXT: &str = "kind-erboh";
/// Poll interval of a condition.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Limit until everything is Ready.
const READY_TIMEOUT: Duration = Duration::from_mins(10);

/// The namespaces of the application, and of Kafka and the Helm release.
pub(super) const APPDEV: &str = "appdev";
pub(super) const QUEUING: &str = "queuing";

/// A Kubernetes cluster.
pub(super) struct Kube {
    /// The flags that select it in kubectl and flux.
    flags: Vec<String>,
    /// The flags that select it in `cargo xtask cluster`; none for its default cluster.
    xtask_flags: Vec<String>,
    xtask: std::path::PathBuf,
}

/// The relevant properties of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) node: String,
    pub(super) is_ready: bool,
    /// The id of its first container, without the prefix of the runtime.
    pub(super) container: String,
    pub(super) restarts: u64,
}

impl Kube {
    pub(super) fn new(flags: &Flags) -> Self {
        let mut xtask_flags = Vec::new();
        if let Some(path) = &flags.kubeconfig {
            xtask_flags.extend(["--kubeconfig".to_owned(), path.display().to_string()]);
        }
        if let Some(context) = &flags.context {
            xtask_flags.extend(["--context".to_owned(), context.clone()]);
        }
        let kind = || vec!["--context".to_owned(), KIND_CONTEXT.to_owned()];
        let flags_or_kind = if xtask_flags.is_empty() { kind() } else { xtask_flags.clone() };
        Self { flags: flags_or_kind, xtask_flags, xtask: flags.xtask.clone() }
    }

    /// Runs kubectl with these arguments and returns its output.
    pub(super) fn kubectl(&self, words: &str) -> anyhow::Result<String> {
        self.run("kubectl", words)
    }

    /// Runs flux with these arguments and returns its output.
    pub(super) fn flux(&self, words: &str) -> anyhow::Result<String> {
        self.run("flux", words)
    }

    fn run(&self, program: &str, words: &str) -> anyhow::Result<String> {
        let text = output(Command::new(program).args(&self.flags).args(words.split_whitespace()));
        text.with_context(|| format!("{program} {words}"))
    }

    /// Runs `kubectl get` and parses the object or list.
    pub(super) fn get(&self, words: &str) -> anyhow::Result<Value> {
        let json = self.kubectl(&format!("get {words} --output json"))?;
        serde_json::from_str(&json).with_context(|| format!("the output of kubectl get {words}"))
    }

    /// The pods of a namespace that match the selector, ordered by name, without terminating ones.
    pub(super) fn pods(&self, namespace: &str, selector: &str) -> anyhow::Result<Vec<Pod>> {
        let list = self.get(&format!("pods --namespace {namespace} --selector {selector}"))?;
        let mut pods: Vec<Pod> =
            list["items"].as_array().into_iter().flatten().filter_map(Pod::read).collect();
        pods.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(pods)
    }

    /// The pods of a Deployment of the application.
    pub(super) fn pods_of(&self, deployment: &str) -> anyhow::Result<Vec<Pod>> {
        let object = self.get(&format!("deployment {deployment} --namespace {APPDEV}"))?;
        let labels = object["spec"]["selector"]["matchLabels"].as_object();
        let labels = labels.with_context(|| format!("{deployment} has no pod selector"))?;
        let label = |(name, value): (&String, &Value)| {
            format!("{name}={}", value.as_str().unwrap_or_default())
        };
        self.pods(APPDEV, &labels.iter().map(label).collect::<Vec<_>>().join(","))
    }

    /// The desired and the ready replicas of a Deployment.
    pub(super) fn replicas(&self, deployment: &str) -> anyhow::Result<(u64, u64)> {
        let object = self.get(&format!("deployment {deployment} --namespace {APPDEV}"))?;
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        Ok((number(&object["spec"]["replicas"]), number(&object["status"]["readyReplicas"])))
    }

    /// Runs `cargo xtask cluster VERB`; returns whether it succeeded, and its output.
    pub(super) fn cluster(&self, verb: &str) -> anyhow::Result<(bool, String)> {
        let mut command = Command::new(&self.xtask);
        command.args(["cluster", verb]).args(&self.xtask_flags);
        let output = command.output().context("starting cargo xtask")?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&text).trim().to_owned()))
    }

    /// Waits until `cargo xtask cluster status` reports that everything is Ready.
    pub(super) fn wait_until_ready(&self) -> anyhow::Result<()> {
        let mut status = String::new();
        let ready = wait(READY_TIMEOUT, || {
            let (ready, text) = self.cluster("status")?;
            status = text;
            Ok(ready)
        })?;
        if !ready {
            let last = status.lines().last().unwrap_or_default();
            bail!("not Ready within {READY_TIMEOUT:?}: {last}");
        }
        Ok(())
    }
}

impl Pod {
    fn read(object: &Value) -> Option<Self> {
        let metadata = &object["metadata"];
        if metadata.get("deletionTimestamp").is_some() {
            return None;
        }
        let status = &object["status"];
        let conditions = status["conditions"].as_array().into_iter().flatten();
        let mut ready = conditions.filter(|condition| condition["type"] == "Ready");
        let container = &status["containerStatuses"][0];
        let id = container["containerID"].as_str().unwrap_or_default();
        Some(Self {
            name: metadata["name"].as_str()?.to_owned(),
            uid: metadata["uid"].as_str()?.to_owned(),
            node: object["spec"]["nodeName"].as_str().unwrap_or_default().to_owned(),
            is_ready: ready.any(|condition| condition["status"] == "True"),
            container: id.rsplit('/').next().unwrap_or_default().to_owned(),
            restarts: container["restartCount"].as_u64().unwrap_or(0),
        })
    }
}

/// Polls `done` until it is true, up to `timeout`, and returns whether it was. Errors are retried
/// until then: the API server may be unavailable for a moment.
pub(super) fn wait(
    timeout: Duration,
    mut done: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let end = Instant::now() + timeout;
    loop {
        match done() {
            Ok(true) => return Ok(true),
            Ok(false) if Instant::now() >= end => return Ok(false),
            Err(error) if Instant::now() >= end => return Err(error),
            _ => std::thread::sleep(POLL_INTERVAL),
        }
    }
}

/// Like [`wait`]; a timeout is an error.
pub(super) fn must(
    timeout: Duration,
    what: &str,
    done: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    if !wait(timeout, done)? {
        bail!("{what}: not within {timeout:?}");
    }
    Ok(())
}

/// A path as a kubectl argument.
pub(super) fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pod_is_parsed_unless_it_is_terminating() {
        let mut object = json!({
            "metadata": {"name": "a", "uid": "u"},
            "spec": {"nodeName": "n1"},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"containerID": "containerd://0123", "restartCount": 2}],
            },
        });
        let pod = Pod::read(&object).unwrap();
        assert_eq!((pod.container.as_str(), pod.restarts, pod.is_ready), ("0123", 2, true));
        object["status"]["conditions"][0]["status"] = json!("False");
        assert!(!Pod::read(&object).unwrap().is_ready);
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(Pod::read(&object), None);
    }

    #[test]
    fn timeout_names_the_condition() {
        assert!(must(Duration::ZERO, "this", || Ok(true)).is_ok());
        let error = must(Duration::ZERO, "this", || Ok(false)).unwrap_err();
        assert!(error.to_string().starts_with("this: not within"), "{error}");
    }
}
