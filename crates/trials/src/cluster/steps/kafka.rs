//! Kafka: brokers that go away and come back.

use std::time::Duration;

use super::super::kube::{Pod, QUEUING, must};
use super::super::report::Verdict;
use super::super::story::Stage;
use super::first;

/// The nodes of Kafka, brokers and controllers; and of them the brokers.
pub(super) const KAFKA_PODS: &str = "strimzi.io/cluster=kafka,strimzi.io/pool-name";
const BROKER_PODS: &str = "strimzi.io/cluster=kafka,strimzi.io/broker-role=true";
/// How long a broker may take to be back: its disk is attached, its log is read.
const BROKER_WAIT: Duration = Duration::from_mins(5);
/// How long one node of Kafka may take in a rolling restart, which begins within two minutes.
const ROLL_WAIT: Duration = Duration::from_mins(4);

pub(super) fn delete_broker(stage: &mut Stage<'_>) -> anyhow::Result<Verdict> {
    let brokers = stage.kube.pods(QUEUING, BROKER_PODS)?;
    let broker = first(&brokers, "broker pod")?;
    stage.kube.kubectl(&format!("delete pod {} --namespace {QUEUING}", broker.name))?;
    must(BROKER_WAIT, "the broker is ready again", || {
        Ok(are_new(&stage.kube.pods(QUEUING, BROKER_PODS)?, std::slice::from_ref(&broker)))
    })?;
    Ok(Verdict::Kept(format!("{}, of {}", broker.name, brokers.len())))
}

/// One after the other, by the operator, as an update of Kafka is rolled out.
pub(super) fn rolling_restart(stage: &mut Stage<'_>) -> anyhow::Result<Verdict> {
    let before = stage.kube.pods(QUEUING, KAFKA_PODS)?;
    first(&before, "pod of Kafka")?;
    stage.kube.kubectl(&format!(
        "annotate strimzipodset --namespace {QUEUING} --selector strimzi.io/cluster=kafka \
         --overwrite strimzi.io/manual-rolling-update=true"
    ))?;
    must(ROLL_WAIT * before.len() as u32, "every pod of Kafka is a new one", || {
        Ok(are_new(&stage.kube.pods(QUEUING, KAFKA_PODS)?, &before))
    })?;
    Ok(Verdict::Kept(format!("{} pods", before.len())))
}

/// Whether each of those is there by its name, as another one, and ready.
fn are_new(now: &[Pod], before: &[Pod]) -> bool {
    before.iter().all(|old| {
        let same = now.iter().find(|pod| pod.name == old.name);
        same.is_some_and(|pod| pod.uid != old.uid && pod.is_ready)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_of_the_same_name_is_a_new_one_by_its_uid() {
        let pod = |uid: &str, is_ready| Pod {
            name: "kafka-dual-0".to_owned(),
            uid: uid.to_owned(),
            node: String::new(),
            is_ready,
            container: String::new(),
            restarts: 0,
        };
        let before = [pod("a", true)];
        assert!(!are_new(&before, &before));
        assert!(!are_new(&[], &before));
        assert!(!are_new(&[pod("b", false)], &before));
        assert!(are_new(&[pod("b", true)], &before));
    }
}
