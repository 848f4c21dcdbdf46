//! Kube: the cluster, asked and told by kubectl and flux.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::Flags;
use crate::start::output;

/// The context of the cluster that `cargo xtask cluster up` makes.
const KIND_CONTEXT: &str = "kind-erboh";
/// Time between two looks at something that is waited for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long everything may take to be Ready again.
const READY_WAIT: Duration = Duration::from_mins(10);

/// The namespace of the application, and the one of Kafka and of the release.
pub(super) const APPDEV: &str = "appdev";
pub(super) const QUEUING: &str = "queuing";

/// A cluster.
pub(super) struct Kube {
    /// What names it to kubectl and flux.
    flags: Vec<String>,
    /// What names it to `cargo xtask cluster`; nothing if it is that one's own.
    own_flags: Vec<String>,
    xtask: std::path::PathBuf,
}

/// A pod, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) node: String,
    pub(super) is_ready: bool,
    /// The id of its first container, without the runtime's name before it.
    pub(super) container: String,
    pub(super) restarts: u64,
}

impl Kube {
    pub(super) fn new(flags: &Flags) -> Self {
        let mut own_flags = Vec::new();
        if let Some(path) = &flags.kubeconfig {
            own_flags.extend(["--kubeconfig".to_owned(), path.display().to_string()]);
        }
        if let Some(context) = &flags.context {
            own_flags.extend(["--context".to_owned(), context.clone()]);
        }
        let kind = || vec!["--context".to_owned(), KIND_CONTEXT.to_owned()];
        let named = if own_flags.is_empty() { kind() } else { own_flags.clone() };
        Self { flags: named, own_flags, xtask: flags.xtask.clone() }
    }

    /// Runs kubectl with these words; says what it said.
    pub(super) fn kubectl(&self, words: &str) -> anyhow::Result<String> {
        self.run("kubectl", words)
    }

    /// Runs flux with these words; says what it said.
    pub(super) fn flux(&self, words: &str) -> anyhow::Result<String> {
        self.run("flux", words)
    }

    fn run(&self, program: &str, words: &str) -> anyhow::Result<String> {
        let said = output(Command::new(program).args(&self.flags).args(words.split_whitespace()));
        said.with_context(|| format!("{program} {words}"))
    }

    /// Asks kubectl for an object or a list of them.
    pub(super) fn get(&self, words: &str) -> anyhow::Result<Value> {
        let said = self.kubectl(&format!("get {words} --output json"))?;
        serde_json::from_str(&said).with_context(|| format!("what kubectl get {words} says"))
    }

    /// The pods of a namespace that fit, in the order of their names; those on their way out are
    /// left away.
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
        let labels = labels.with_context(|| format!("{deployment} selects no pods"))?;
        let label = |(name, value): (&String, &Value)| {
            format!("{name}={}", value.as_str().unwrap_or_default())
        };
        self.pods(APPDEV, &labels.iter().map(label).collect::<Vec<_>>().join(","))
    }

    /// How many pods a Deployment is to have, and how many are ready.
    pub(super) fn replicas(&self, deployment: &str) -> anyhow::Result<(u64, u64)> {
        let object = self.get(&format!("deployment {deployment} --namespace {APPDEV}"))?;
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        Ok((number(&object["spec"]["replicas"]), number(&object["status"]["readyReplicas"])))
    }

    /// What `cargo xtask cluster VERB` says, and whether it is content.
    pub(super) fn cluster(&self, verb: &str) -> anyhow::Result<(bool, String)> {
        let mut command = Command::new(&self.xtask);
        command.args(["cluster", verb]).args(&self.own_flags);
        let output = command.output().context("starting cargo xtask")?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&said).trim().to_owned()))
    }

    /// Waits until everything is Ready, by `cargo xtask cluster status`.
    pub(super) fn wait_until_ready(&self) -> anyhow::Result<()> {
        let mut said = String::new();
        let ready = wait(READY_WAIT, || {
            let (ready, now) = self.cluster("status")?;
            said = now;
            Ok(ready)
        })?;
        if !ready {
            let last = said.lines().last().unwrap_or_default();
            bail!("not Ready within {READY_WAIT:?}: {last}");
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

/// Waits until `done`, at most that long; says whether it was done. An API that does not answer for
/// a moment is asked again, since that is part of the story.
pub(super) fn wait(
    at_most: Duration,
    mut done: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let end = Instant::now() + at_most;
    loop {
        match done() {
            Ok(true) => return Ok(true),
            Ok(false) if Instant::now() >= end => return Ok(false),
            Err(error) if Instant::now() >= end => return Err(error),
            _ => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// As [`wait`], for what must be done in that time.
pub(super) fn must(
    at_most: Duration,
    what: &str,
    done: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    if !wait(at_most, done)? {
        bail!("{what}: not within {at_most:?}");
    }
    Ok(())
}

/// A path as kubectl is told it.
pub(super) fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is no UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_read_and_one_that_goes_is_none() {
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
    fn what_never_comes_is_said_to_be_missing() {
        assert!(must(Duration::ZERO, "this", || Ok(true)).is_ok());
        let error = must(Duration::ZERO, "this", || Ok(false)).unwrap_err();
        assert!(error.to_string().starts_with("this: not within"), "{error}");
    }
}
