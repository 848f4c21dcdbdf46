//! Steps with consumer pods: an orderly deletion and a kill.

use std::time::Duration;

use super::super::kube::{APPDEV, must};
use super::super::node;
use super::super::report::StepResult;
use super::super::scenario::{CONSUMER, Scenario};
use super::first;

/// Limit until a pod is ready again.
const RESTART_TIMEOUT: Duration = Duration::from_mins(3);

/// Deletes a consumer pod.
pub(super) fn delete(scenario: &mut Scenario<'_>) -> anyhow::Result<StepResult> {
    let pod = first(&scenario.kube.pods_of(CONSUMER)?, "consumer pod")?;
    scenario.kube.kubectl(&format!("delete pod {} --namespace {APPDEV}", pod.name))?;
    all_ready(scenario)?;
    Ok(StepResult::Passed(format!("one of {}", scenario.kube.replicas(CONSUMER)?.0)))
}

/// Kills a consumer with SIGKILL on its node. Where nodes are not accessible, the pod is deleted
/// with `--force`, and the kubelet may stop the process later.
pub(super) fn kill(scenario: &mut Scenario<'_>) -> anyhow::Result<StepResult> {
    let pod = first(&scenario.kube.pods_of(CONSUMER)?, "consumer pod")?;
    let Some(runner) = scenario.nodes.runner(&pod.node) else {
        scenario.kube.kubectl(&format!(
            "delete pod {} --namespace {APPDEV} --grace-period=0 --force",
            pod.name
        ))?;
        all_ready(scenario)?;
        return Ok(StepResult::Passed(
            "by `kubectl delete pod --grace-period=0 --force`".to_owned(),
        ));
    };
    let words = ["ctr", "--namespace", "k8s.io", "task", "kill", "--signal", "SIGKILL"];
    node::run(&runner, &pod.node, &[&words[..], &[&pod.container]].concat())?;
    must(RESTART_TIMEOUT, "its container is restarted", || {
        let pods = scenario.kube.pods_of(CONSUMER)?;
        let same = pods.iter().find(|one| one.uid == pod.uid);
        Ok(same.is_some_and(|one| one.restarts > pod.restarts && one.is_ready))
    })?;
    Ok(StepResult::Passed("by SIGKILL".to_owned()))
}

/// Waits until all consumer pods are ready.
fn all_ready(scenario: &Scenario<'_>) -> anyhow::Result<()> {
    must(RESTART_TIMEOUT, "all consumer pods ready", || {
        let (wanted, ready) = scenario.kube.replicas(CONSUMER)?;
        let pods = scenario.kube.pods_of(CONSUMER)?;
        Ok(wanted == ready && pods.len() as u64 == wanted && pods.iter().all(|pod| pod.is_ready))
    })
}
