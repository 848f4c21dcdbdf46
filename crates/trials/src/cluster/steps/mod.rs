//! The steps of the scenario, in order.

mod kafka;
mod node;
mod pods;
mod rollout;
mod unloaded;

use anyhow::bail;

use super::report::StepResult;
use super::scenario::Scenario;

/// A step of the scenario.
pub(super) struct Step {
    /// The name in `--only`.
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) run: fn(&mut Scenario<'_>) -> anyhow::Result<StepResult>,
}

/// The steps without load.
pub(super) const QUIET: [Step; 2] = [
    Step { key: "smoke", name: "smoke test from this machine", run: unloaded::smoke },
    Step { key: "page", name: "20 ratings by the page, counted", run: unloaded::page },
];

/// The steps under load. After each of them everything must be Ready and a new rating counted.
pub(super) const LOADED: [Step; 11] = [
    Step { key: "scale", name: "consumers 1 → 3 → 1, by commits", run: rollout::scale },
    Step { key: "delete-pod", name: "consumer pod deleted", run: pods::delete },
    Step { key: "kill-pod", name: "consumer killed", run: pods::kill },
    Step { key: "update", name: "rolling update of erboh, by a commit", run: rollout::update },
    Step {
        key: "broken-image",
        name: "commit with a broken image, and its revert",
        run: rollout::broken_image,
    },
    Step { key: "broker", name: "broker pod deleted", run: kafka::delete_broker },
    Step { key: "rolling-restart", name: "rolling restart of Kafka", run: kafka::rolling_restart },
    Step { key: "node", name: "node isolated", run: node::isolate },
    Step { key: "drift", name: "manual drift corrected by Flux", run: rollout::drift },
    Step { key: "partitions", name: "partitions doubled, by a commit", run: rollout::partitions },
    Step { key: "put-back", name: "everything reverted, by a commit", run: rollout::revert },
];

/// Parses the name of a step.
pub(super) fn parse_key(key: &str) -> Result<String, String> {
    let keys: Vec<&str> = QUIET.iter().chain(&LOADED).map(|step| step.key).collect();
    if keys.contains(&key) {
        return Ok(key.to_owned());
    }
    Err(format!("expected one of: {}", keys.join(", ")))
}

/// The first element; an error if the list is empty.
fn first<T: Clone>(list: &[T], what: &str) -> anyhow::Result<T> {
    match list.first() {
        Some(one) => Ok(one.clone()),
        None => bail!("there is no {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_step_is_rejected_with_the_valid_names() {
        assert_eq!(parse_key("broker"), Ok("broker".to_owned()));
        assert!(parse_key("brocker").unwrap_err().contains("broker, rolling-restart"));
    }
}
