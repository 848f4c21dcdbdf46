//! Steps with Kafka's pods: a deleted broker and a rolling restart.

use std::time::Duration;

use super::super::kube::{Pod, QUEUING, must};
use super::super::report::StepResult;
use super::super::scenario::Scenario;
use super::first;

/// Kafka's pods, brokers and controllers; and only the brokers.
pub(super) const KAFKA_PODS: &str = "strimzi.io/cluster=kafka,strimzi.io/pool-name";
const BROKER_PODS: &str = "strimzi.io/cluster=kafka,strimzi.io/broker-role=true";
/// Limit until a broker is ready again, including volume attachment and log recovery.
const BROKER_TIMEOUT: Duration = Duration::from_mins(5);
/// Limit per pod of a rolling restart, which the operator begins within two minutes.
const ROLL_TIMEOUT: Duration = Duration::from_mins(4);

pub(super) fn delete_broker(scenario: &mut Scenario<'_>) -> anyhow::Result<StepResult> {
    let brokers = scenario.kube.pods(QUEUING, BROKER_PODS)?;
    let broker = first(&brokers, "broker pod")?;
    scenario.kube.kubectl(&format!("delete pod {} --namespace {QUEUING}", broker.name))?;
    must(BROKER_TIMEOUT, "the broker is ready again", || {
        Ok(are_replaced(&scenario.kube.pods(QUEUING, BROKER_PODS)?, std::slice::from_ref(&broker)))
    })?;
    Ok(StepResult::Passed(format!("{}, of {}", broker.name, brokers.len())))
}

/// A rolling restart by the operator, as in an update of Kafka.
pub(super) fn rolling_restart(scenario: &mut Scenario<'_>) -> anyhow::Result<StepResult> {
    let before = scenario.kube.pods(QUEUING, KAFKA_PODS)?;
    first(&before, "pod of Kafka")?;
    scenario.kube.kubectl(&format!(
        "annotate strimzipodset --namespace {QUEUING} --selector strimzi.io/cluster=kafka \
         --overwrite strimzi.io/manual-rolling-update=true"
    ))?;
    must(ROLL_TIMEOUT * before.len() as u32, "every pod of Kafka is replaced", || {
        Ok(are_replaced(&scenario.kube.pods(QUEUING, KAFKA_PODS)?, &before))
    })?;
    Ok(StepResult::Passed(format!("{} pods", before.len())))
}

/// Whether each pod was replaced by a ready one of the same name.
fn are_replaced(now: &[Pod], before: &[Pod]) -> bool {
    before.iter().all(|old| {
        let same = now.iter().find(|pod| pod.name == old.name);
        same.is_some_and(|pod| pod.uid != old.uid && pod.is_ready)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaced_pod_has_another_uid() {
        let pod = |uid: &str, is_ready| Pod {
            name: "kafka-dual-0".to_owned(),
            uid: uid.to_owned(),
            node: String::new(),
            is_ready,
            container: String::new(),
            restarts: 0,
        };
        let before = [pod("a", true)];
        assert!(!are_replaced(&before, &before));
        assert!(!are_replaced(&[], &before));
        assert!(!are_replaced(&[pod("b", false)], &before));
        assert!(are_replaced(&[pod("b", true)], &before));
    }
}
