//! Steps: what the story is made of, in its order.

mod begin;
mod kafka;
mod node;
mod pods;
mod rollout;

use anyhow::bail;

use super::report::Verdict;
use super::story::Stage;

/// A step of the story.
pub(super) struct Step {
    /// What `--only` calls it.
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) run: fn(&mut Stage<'_>) -> anyhow::Result<Verdict>,
}

/// What is done before there is any load.
pub(super) const QUIET: [Step; 2] = [
    Step { key: "smoke", name: "smoke test from this machine", run: begin::smoke },
    Step { key: "page", name: "20 ratings by the page, counted", run: begin::page },
];

/// What is done under load. After each of them everything must be Ready, and a new rating counted.
pub(super) const LOADED: [Step; 11] = [
    Step { key: "scale", name: "consumers 1 → 3 → 1, by commits", run: rollout::scale },
    Step { key: "delete-pod", name: "a consumer pod deleted", run: pods::delete },
    Step { key: "kill-pod", name: "a consumer killed without grace", run: pods::kill },
    Step { key: "update", name: "rolling update of erboh, by a commit", run: rollout::update },
    Step {
        key: "broken-image",
        name: "a commit with a broken image, and its revert",
        run: rollout::broken_image,
    },
    Step { key: "broker", name: "a broker pod deleted", run: kafka::delete_broker },
    Step { key: "rolling-restart", name: "rolling restart of Kafka", run: kafka::rolling_restart },
    Step { key: "node", name: "a node cut off", run: node::cut },
    Step { key: "drift", name: "drift by hand is put back", run: rollout::drift },
    Step { key: "partitions", name: "twice the partitions, by a commit", run: rollout::partitions },
    Step { key: "put-back", name: "everything put back, by a commit", run: rollout::put_back },
];

/// Whether a step has that name.
pub(super) fn known(key: &str) -> Result<String, String> {
    let keys: Vec<&str> = QUIET.iter().chain(&LOADED).map(|step| step.key).collect();
    if keys.contains(&key) {
        return Ok(key.to_owned());
    }
    Err(format!("expected one of: {}", keys.join(", ")))
}

/// The first of a list, or why there must be one.
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
    fn a_mistyped_step_is_refused_with_those_that_there_are() {
        assert_eq!(known("broker"), Ok("broker".to_owned()));
        assert!(known("brocker").unwrap_err().contains("broker, rolling-restart"));
    }
}
