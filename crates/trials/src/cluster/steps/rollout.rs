//! Rollout: changes that are committed, good ones and a bad one, and one that is not.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::super::kube::{APPDEV, QUEUING, must};
use super::super::report::Verdict;
use super::super::story::{CONSUMER, PRODUCER, Stage};
use super::super::tree::{IMAGE, TOPICS};

/// An image that nobody has pushed.
const BROKEN_TAG: &str = "e2e-no-such-tag";
/// How long it may take until a bad commit is told from a slow one.
const NAMED_WAIT: Duration = Duration::from_mins(5);
/// How long it is looked that the old pods serve.
const SERVING: Duration = Duration::from_secs(20);
/// How long anything that Flux has applied may take to show.
const SHOWN_WAIT: Duration = Duration::from_mins(3);
/// More partitions than that need longer than the story lasts.
const PARTITIONS_MAX: u64 = 48;
/// The topics that have as many partitions as each other.
const TOPIC_NAMES: [&str; 3] = ["erboh-ratings", "erboh-totals", "erboh-dead-letters"];

pub(super) fn scale(stage: &mut Stage<'_>) -> anyhow::Result<Verdict> {
    let mut times = Vec::new();
    for replicas in [1, 3, 1] {
        let began = Instant::now();
        let consumer = json!({"replicas": replicas, "autoscaling": {"kind": "none"}});
        stage.values(&json!({"consumer": consumer}), &format!("Run {replicas} consumers"))?;
        must(SHOWN_WAIT, "that many consumers are ready", || {
            Ok(stage.kube.replicas(CONSUMER)? == (replicas, replicas))
        })?;
        times.push(format!("{replicas} after {:.0} s", began.elapsed().as_secs_f64()));
    }
    Ok(Verdict::Kept(times.join(", ")))
}

pub(super) fn update(stage: &mut Stage<'_>) -> anyhow::Result<Verdict> {
    let before = [stage.kube.pods_of(CONSUMER)?, stage.kube.pods_of(PRODUCER)?].concat();
    let annotations = json!({"podAnnotations": {"erboh.invalid/e2e": stage.run.to_string()}});
    let values = json!({"consumer": annotations, "producer": annotations});
    stage.values(&values, "Roll every pod of erboh")?;
    must(SHOWN_WAIT, "every pod is a new one", || {
        let now = [stage.kube.pods_of(CONSUMER)?, stage.kube.pods_of(PRODUCER)?].concat();
        Ok(now.iter().all(|pod| pod.is_ready && before.iter().all(|old| old.uid != pod.uid)))
    })?;
    Ok(Verdict::Kept(format!("{} pods", before.len())))
}

pub(super) fn broken_image(stage: &mut Stage<'_>) -> anyhow::Result<Verdict> {
    let image = json!({"spec": {"values": {"image": {"tag": BROKEN_TAG, "digest": ""}}}});
    stage.tree.edit(IMAGE, &image.to_string())?;
    let began = Instant::now();
    stage.tree.commit(&stage.kube, "Run an image that is not there")?;
    must(NAMED_WAIT, "`cargo xtask cluster status` names the image", || {
        Ok(stage.kube.cluster("status")?.1.contains(BROKEN_TAG))
    })?;
    let named = began.elapsed();
    let acknowledged = stage.books.ledger().acknowledged();
    std::thread::sleep(SERVING);
    stage.counts_within(SHOWN_WAIT)?;
    let served = stage.books.ledger().acknowledged() - acknowledged;
    ensure!(served > 0, "no rating was acknowledged in {SERVING:?}");
    let reverted = Instant::now();
    stage.tree.revert(IMAGE)?;
    stage.tree.commit(&stage.kube, "Run the image that is there again")?;
    stage.kube.wait_until_ready()?;
    Ok(Verdict::Kept(format!(
        "status named the image after {:.0} s, the old pods served, all Ready {:.0} s after the \
         revert",
        named.as_secs_f64(),
        reverted.elapsed().as_secs_f64()
    )))
}

/// A Deployment that a person has scaled.
pub(super) fn drift(stage: &mut Stage<'_>) -> anyhow::Result<Verdict> {
    let scalers = stage.kube.get(&format!("horizontalpodautoscalers --namespace {APPDEV}"))?;
    let mut scalers = scalers["items"].as_array().into_iter().flatten();
    if scalers.any(|scaler| scaler["spec"]["scaleTargetRef"]["name"] == PRODUCER) {
        return Ok(Verdict::NotRun("an autoscaler sets the producers, not a commit".to_owned()));
    }
    let (wanted, _) = stage.kube.replicas(PRODUCER)?;
    let drifted = wanted + 1;
    stage.kube.kubectl(&format!(
        "scale deployment {PRODUCER} --namespace {APPDEV} --replicas={drifted}"
    ))?;
    let began = Instant::now();
    stage.kube.flux(&format!("reconcile helmrelease erboh --namespace {QUEUING}"))?;
    must(SHOWN_WAIT, "the producers are as many as committed", || {
        Ok(stage.kube.replicas(PRODUCER)? == (wanted, wanted))
    })?;
    Ok(Verdict::Kept(format!(
        "{wanted} → {drifted} by hand, {wanted} again {:.0} s after Flux was told to look",
        began.elapsed().as_secs_f64()
    )))
}

/// For good: a topic never has fewer partitions than before.
pub(super) fn partitions(stage: &mut Stage<'_>) -> anyhow::Result<Verdict> {
    let before = stage.partitions()?;
    let after = before * 2;
    if after > PARTITIONS_MAX {
        return Ok(Verdict::NotRun(format!("there are {before} already")));
    }
    let patch = json!({"spec": {"partitions": after}}).to_string();
    for topic in TOPIC_NAMES {
        stage.tree.change(&format!("{TOPICS}/{topic}.yaml"), &patch)?;
    }
    stage.tree.commit(&stage.kube, &format!("Give the topics {after} partitions"))?;
    stage.kube.wait_until_ready()?;
    let began = Instant::now();
    must(SHOWN_WAIT, "ratings are written to every partition", || {
        Ok(stage.books.newest().len() as u64 == after)
    })?;
    let written = began.elapsed();
    must(SHOWN_WAIT, "the board counts every partition", || {
        Ok(stage.board()?.position.len() as u64 == after)
    })?;
    let text =
        format!("{before} → {after}; ratings in all of them {:.0} s later", written.as_secs_f64());
    Ok(Verdict::Kept(text))
}

/// The partitions stay.
pub(super) fn put_back(stage: &mut Stage<'_>) -> anyhow::Result<Verdict> {
    if !stage.tree.revert_all().context("putting the files back")? {
        return Ok(Verdict::Kept("nothing was changed".to_owned()));
    }
    stage.tree.commit(&stage.kube, "Put everything back")?;
    stage.kube.wait_until_ready()?;
    Ok(Verdict::Kept(String::new()))
}
