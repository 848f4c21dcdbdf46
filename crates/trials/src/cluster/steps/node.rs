//! A step that isolates a node.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::kube::{Kube, QUEUING, must};
use super::super::node;
use super::super::report::StepResult;
use super::super::scenario::{CONSUMER, PRODUCER, Scenario};
use super::kafka::KAFKA_PODS;

/// Limit until Kubernetes notices that a node is gone or back.
const NOTICE_TIMEOUT: Duration = Duration::from_mins(3);
/// Limit until others take over; Kafka's default session timeout is 45 s.
const TAKE_OVER_TIMEOUT: Duration = Duration::from_mins(3);

/// Isolates a node, with two replicas of each role so that one can take over.
pub(super) fn isolate(scenario: &mut Scenario<'_>) -> anyhow::Result<StepResult> {
    let workers = workers(&scenario.kube)?;
    if workers.len() < 2 {
        return Ok(StepResult::Skipped("there is only one node".to_owned()));
    }
    if scenario.nodes.cutter(&workers[0]).is_none() {
        return Ok(StepResult::Skipped(
            "a node cannot be isolated here; set --cut-command and --join-command".to_owned(),
        ));
    }
    let two = json!({"replicas": 2, "autoscaling": {"kind": "none"}});
    scenario.values(&json!({"consumer": two, "producer": two}), "Run two replicas of each role")?;

    let on = |pods: Vec<super::super::kube::Pod>| -> BTreeSet<String> {
        pods.into_iter().map(|pod| pod.node).collect()
    };
    let kafka = on(scenario.kube.pods(QUEUING, KAFKA_PODS)?);
    let consumers = on(scenario.kube.pods_of(CONSUMER)?);
    let producers = on(scenario.kube.pods_of(PRODUCER)?);
    let ours = |node: &String| consumers.contains(node) || producers.contains(node);
    let candidates = workers.iter().min_by_key(|node| {
        (kafka.contains(*node), !consumers.contains(*node), !ours(node), Reverse((*node).clone()))
    });
    let Some(victim) = candidates.cloned() else {
        return Ok(StepResult::Skipped("there is no worker node".to_owned()));
    };
    let Some((cut, join)) = scenario.nodes.cutter(&victim) else {
        return Ok(StepResult::Skipped(format!("{victim} cannot be isolated")));
    };
    let undo = join.replace("{node}", &victim);
    println!("  isolating {victim}; if this is interrupted, run: {undo}");
    node::run(&cut, &victim, &[])?;
    let while_cut = without(scenario, &victim, !kafka.contains(&victim));
    // The node is joined again whatever the result.
    node::run(&join, &victim, &[])?;
    while_cut?;
    must(NOTICE_TIMEOUT, "the node is Ready again", || is_ready(&scenario.kube, &victim))?;
    let had = [(&consumers, "a consumer"), (&producers, "a producer"), (&kafka, "Kafka")];
    let had: Vec<&str> = had
        .into_iter()
        .filter(|(nodes, _)| nodes.contains(&victim))
        .map(|(_, what)| what)
        .collect();
    let had = if had.is_empty() { "nothing of erboh".to_owned() } else { had.join(", ") };
    Ok(StepResult::Passed(format!("{victim}, with {had}")))
}

/// While the node is gone, new ratings must be counted, unless Kafka ran on it.
fn without(scenario: &Scenario<'_>, victim: &str, kafka_is_left: bool) -> anyhow::Result<()> {
    must(NOTICE_TIMEOUT, "Kubernetes notices that the node is gone", || {
        Ok(!is_ready(&scenario.kube, victim)?)
    })?;
    if kafka_is_left {
        scenario.counts_within(TAKE_OVER_TIMEOUT)?;
    }
    Ok(())
}

/// The nodes without the control plane role, ordered by name.
fn workers(kube: &Kube) -> anyhow::Result<Vec<String>> {
    let list = kube.get("nodes")?;
    let items = list["items"].as_array().into_iter().flatten();
    let is_worker = |node: &&Value| {
        node["metadata"]["labels"].get("node-role.kubernetes.io/control-plane").is_none()
    };
    let name = |node: &Value| node["metadata"]["name"].as_str().map(str::to_owned);
    let mut names: Vec<String> = items.filter(is_worker).filter_map(name).collect();
    names.sort();
    Ok(names)
}

fn is_ready(kube: &Kube, node: &str) -> anyhow::Result<bool> {
    let node = kube.get(&format!("node {node}"))?;
    let conditions = node["status"]["conditions"].as_array();
    Ok(conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True"))
}
