//! Steps with changes: commits, a bad commit, and a manual change.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::super::kube::{APPDEV, QUEUING, must};
use super::super::report::StepResult;
use super::super::scenario::{CONSUMER, PRODUCER, Scenario};
use super::super::tree::{IMAGE, TOPICS};

/// An image tag that does not exist.
const BROKEN_TAG: &str = "e2e-no-such-tag";
/// Limit until `cluster status` reports a bad commit.
const REPORT_TIMEOUT: Duration = Duration::from_mins(5);
/// How long the old pods must keep serving.
const SERVING: Duration = Duration::from_secs(20);
/// Limit until a change applied by Flux takes effect.
const EFFECT_TIMEOUT: Duration = Duration::from_mins(3);
/// More partitions would take longer than the scenario.
const PARTITIONS_MAX: u64 = 48;
/// The topics with equal partition counts.
const TOPIC_NAMES: [&str; 3] = ["erboh-ratings", "erboh-totals", "erboh-dead-letters"];

pub(super) fn scale(scenario: &mut Scenario<'_>) -> anyhow::Result<StepResult> {
    let mut times = Vec::new();
    for replicas in [1, 3, 1] {
        let began = Instant::now();
        let consumer = json!({"replicas": replicas, "autoscaling": {"kind": "none"}});
        scenario.values(&json!({"consumer": consumer}), &format!("Run {replicas} consumers"))?;
        must(EFFECT_TIMEOUT, "that many consumers are ready", || {
            Ok(scenario.kube.replicas(CONSUMER)? == (replicas, replicas))
        })?;
        times.push(format!("{replicas} after {:.0} s", began.elapsed().as_secs_f64()));
    }
    Ok(StepResult::Passed(times.join(", ")))
}

pub(super) fn update(scenario: &mut Scenario<'_>) -> anyhow::Result<StepResult> {
    let before = [scenario.kube.pods_of(CONSUMER)?, scenario.kube.pods_of(PRODUCER)?].concat();
    let annotations = json!({"podAnnotations": {"erboh.invalid/e2e": scenario.run.to_string()}});
    let values = json!({"consumer": annotations, "producer": annotations});
    scenario.values(&values, "Roll every pod of erboh")?;
    must(EFFECT_TIMEOUT, "every pod is replaced", || {
        let now = [scenario.kube.pods_of(CONSUMER)?, scenario.kube.pods_of(PRODUCER)?].concat();
        Ok(now.iter().all(|pod| pod.is_ready && before.iter().all(|old| old.uid != pod.uid)))
    })?;
    Ok(StepResult::Passed(format!("{} pods", before.len())))
}

pub(super) fn broken_image(scenario: &mut Scenario<'_>) -> anyhow::Result<StepResult> {
    let image = json!({"spec": {"values": {"image": {"tag": BROKEN_TAG, "digest": ""}}}});
    scenario.tree.edit(IMAGE, &image.to_string())?;
    let began = Instant::now();
    scenario.tree.commit(&scenario.kube, "Run an image that does not exist")?;
    must(REPORT_TIMEOUT, "`cargo xtask cluster status` names the image", || {
        Ok(scenario.kube.cluster("status")?.1.contains(BROKEN_TAG))
    })?;
    let named = began.elapsed();
    let acknowledged = scenario.shared.ledger().acknowledged();
    std::thread::sleep(SERVING);
    scenario.counts_within(EFFECT_TIMEOUT)?;
    let served = scenario.shared.ledger().acknowledged() - acknowledged;
    ensure!(served > 0, "no rating was acknowledged in {SERVING:?}");
    let reverted = Instant::now();
    scenario.tree.revert(IMAGE)?;
    scenario.tree.commit(&scenario.kube, "Revert to the existing image")?;
    scenario.kube.wait_until_ready()?;
    Ok(StepResult::Passed(format!(
        "status named the image after {:.0} s, the old pods served, all Ready {:.0} s after the \
         revert",
        named.as_secs_f64(),
        reverted.elapsed().as_secs_f64()
    )))
}

/// Scales a Deployment by hand and waits until Flux corrects it.
pub(super) fn drift(scenario: &mut Scenario<'_>) -> anyhow::Result<StepResult> {
    let scalers = scenario.kube.get(&format!("horizontalpodautoscalers --namespace {APPDEV}"))?;
    let mut scalers = scalers["items"].as_array().into_iter().flatten();
    if scalers.any(|scaler| scaler["spec"]["scaleTargetRef"]["name"] == PRODUCER) {
        return Ok(StepResult::Skipped("an autoscaler scales the producers".to_owned()));
    }
    let (wanted, _) = scenario.kube.replicas(PRODUCER)?;
    let drifted = wanted + 1;
    scenario.kube.kubectl(&format!(
        "scale deployment {PRODUCER} --namespace {APPDEV} --replicas={drifted}"
    ))?;
    let began = Instant::now();
    scenario.kube.flux(&format!("reconcile helmrelease erboh --namespace {QUEUING}"))?;
    must(EFFECT_TIMEOUT, "the producers have the committed replicas", || {
        Ok(scenario.kube.replicas(PRODUCER)? == (wanted, wanted))
    })?;
    Ok(StepResult::Passed(format!(
        "{wanted} → {drifted} by hand, {wanted} again {:.0} s after the reconciliation was requested",
        began.elapsed().as_secs_f64()
    )))
}

/// Doubles the partitions. Not reverted: the partitions of a topic cannot be reduced.
pub(super) fn partitions(scenario: &mut Scenario<'_>) -> anyhow::Result<StepResult> {
    let before = scenario.partitions()?;
    let after = before * 2;
    if after > PARTITIONS_MAX {
        return Ok(StepResult::Skipped(format!("there are {before} already")));
    }
    let patch = json!({"spec": {"partitions": after}}).to_string();
    for topic in TOPIC_NAMES {
        scenario.tree.change(&format!("{TOPICS}/{topic}.yaml"), &patch)?;
    }
    scenario.tree.commit(&scenario.kube, &format!("Increase partitions to {after}"))?;
    scenario.kube.wait_until_ready()?;
    let began = Instant::now();
    must(EFFECT_TIMEOUT, "ratings are written to every partition", || {
        Ok(scenario.shared.newest().len() as u64 == after)
    })?;
    let written = began.elapsed();
    must(EFFECT_TIMEOUT, "the board counts every partition", || {
        Ok(scenario.board()?.position.len() as u64 == after)
    })?;
    let text =
        format!("{before} → {after}; ratings in all of them {:.0} s later", written.as_secs_f64());
    Ok(StepResult::Passed(text))
}

/// Reverts all changes but the number of partitions.
pub(super) fn revert(scenario: &mut Scenario<'_>) -> anyhow::Result<StepResult> {
    if !scenario.tree.revert_all().context("reverting the files")? {
        return Ok(StepResult::Passed("nothing was changed".to_owned()));
    }
    scenario.tree.commit(&scenario.kube, "Revert everything")?;
    scenario.kube.wait_until_ready()?;
    Ok(StepResult::Passed(String::new()))
}
