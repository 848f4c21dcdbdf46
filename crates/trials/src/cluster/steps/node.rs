//! Node: one that nobody reaches any more, with whatever runs on it.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::kube::{Kube, QUEUING, must};
use super::super::node;
use super::super::report::Verdict;
use super::super::story::{CONSUMER, PRODUCER, Stage};
use super::kafka::KAFKA_PODS;

/// How long Kubernetes may take to notice that a node is gone, or back.
const NOTICE_WAIT: Duration = Duration::from_mins(3);
/// How long the others may take to do its work; Kafka gives a silent consumer up after 45 s.
const TAKE_OVER_WAIT: Duration = Duration::from_mins(3);

/// With two of each role, so that there is somebody to take over.
pub(super) fn cut(stage: &mut Stage<'_>) -> anyhow::Result<Verdict> {
    let workers = workers(&stage.kube)?;
    if workers.len() < 2 {
        return Ok(Verdict::NotRun("there is one node only".to_owned()));
    }
    if stage.nodes.cutter(&workers[0]).is_none() {
        return Ok(Verdict::NotRun(
            "no way to cut a node off here; --cut-command and --join-command name one".to_owned(),
        ));
    }
    let two = json!({"replicas": 2, "autoscaling": {"kind": "none"}});
    stage.values(&json!({"consumer": two, "producer": two}), "Run two of each")?;

    let on = |pods: Vec<super::super::kube::Pod>| -> BTreeSet<String> {
        pods.into_iter().map(|pod| pod.node).collect()
    };
    let kafka = on(stage.kube.pods(QUEUING, KAFKA_PODS)?);
    let consumers = on(stage.kube.pods_of(CONSUMER)?);
    let producers = on(stage.kube.pods_of(PRODUCER)?);
    let ours = |node: &String| consumers.contains(node) || producers.contains(node);
    let candidates = workers.iter().min_by_key(|node| {
        (kafka.contains(*node), !consumers.contains(*node), !ours(node), Reverse((*node).clone()))
    });
    let Some(victim) = candidates.cloned() else {
        return Ok(Verdict::NotRun("there is no worker".to_owned()));
    };
    let Some((cut, join)) = stage.nodes.cutter(&victim) else {
        return Ok(Verdict::NotRun(format!("no way to cut {victim} off")));
    };
    println!("  cutting {victim} off; if this is interrupted: {}", join.replace("{node}", &victim));
    node::run(&cut, &victim, &[])?;
    let while_cut = without(stage, &victim, !kafka.contains(&victim));
    // Whatever came of it, the node comes back.
    node::run(&join, &victim, &[])?;
    while_cut?;
    must(NOTICE_WAIT, "the node is Ready again", || is_ready(&stage.kube, &victim))?;
    let had = [(&consumers, "a consumer"), (&producers, "a producer"), (&kafka, "Kafka")];
    let had: Vec<&str> = had
        .into_iter()
        .filter(|(nodes, _)| nodes.contains(&victim))
        .map(|(_, what)| what)
        .collect();
    let had = if had.is_empty() { "nothing of erboh".to_owned() } else { had.join(", ") };
    Ok(Verdict::Kept(format!("{victim}, with {had}")))
}

/// While it is gone, new ratings must be counted, unless Kafka is gone with it.
fn without(stage: &Stage<'_>, victim: &str, kafka_is_left: bool) -> anyhow::Result<()> {
    must(NOTICE_WAIT, "Kubernetes notices", || Ok(!is_ready(&stage.kube, victim)?))?;
    if kafka_is_left {
        stage.counts_within(TAKE_OVER_WAIT)?;
    }
    Ok(())
}

/// The nodes that are no control plane, in the order of their names.
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
