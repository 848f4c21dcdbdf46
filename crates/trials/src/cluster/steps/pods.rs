//! Pods: consumers that end, in order and without.

use std::time::Duration;

use super::super::kube::{APPDEV, must};
use super::super::node;
use super::super::report::Verdict;
use super::super::story::{CONSUMER, Stage};
use super::first;

/// How long a pod may take to be started anew.
const RESTART_WAIT: Duration = Duration::from_mins(3);

/// It is told to end, and another one is started.
pub(super) fn delete(stage: &mut Stage<'_>) -> anyhow::Result<Verdict> {
    let pod = first(&stage.kube.pods_of(CONSUMER)?, "consumer pod")?;
    stage.kube.kubectl(&format!("delete pod {} --namespace {APPDEV}", pod.name))?;
    all_ready(stage)?;
    Ok(Verdict::Kept(format!("one of {}", stage.kube.replicas(CONSUMER)?.0)))
}

/// Its process gets SIGKILL from the node that it runs on. Where nodes cannot be reached, the pod is
/// deleted without grace: then the kubelet leaves the process a moment.
pub(super) fn kill(stage: &mut Stage<'_>) -> anyhow::Result<Verdict> {
    let pod = first(&stage.kube.pods_of(CONSUMER)?, "consumer pod")?;
    let Some(runner) = stage.nodes.runner(&pod.node) else {
        stage.kube.kubectl(&format!(
            "delete pod {} --namespace {APPDEV} --grace-period=0 --force",
            pod.name
        ))?;
        all_ready(stage)?;
        return Ok(Verdict::Kept("by `kubectl delete pod --grace-period=0 --force`".to_owned()));
    };
    let words = ["ctr", "--namespace", "k8s.io", "task", "kill", "--signal", "SIGKILL"];
    node::run(&runner, &pod.node, &[&words[..], &[&pod.container]].concat())?;
    must(RESTART_WAIT, "its container is started again", || {
        let pods = stage.kube.pods_of(CONSUMER)?;
        let same = pods.iter().find(|one| one.uid == pod.uid);
        Ok(same.is_some_and(|one| one.restarts > pod.restarts && one.is_ready))
    })?;
    Ok(Verdict::Kept("by SIGKILL".to_owned()))
}

/// Waits until the consumers are as many as they should be.
fn all_ready(stage: &Stage<'_>) -> anyhow::Result<()> {
    must(RESTART_WAIT, "all consumer pods ready", || {
        let (wanted, ready) = stage.kube.replicas(CONSUMER)?;
        let pods = stage.kube.pods_of(CONSUMER)?;
        Ok(wanted == ready && pods.len() as u64 == wanted && pods.iter().all(|pod| pod.is_ready))
    })
}
