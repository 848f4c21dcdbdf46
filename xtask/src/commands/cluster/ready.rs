//! Waits until objects are Ready, and prints what it is waiting for.

use std::time::{Duration, Instant};

use super::objects::{self, Object};
use super::target::Target;
use crate::Outcome;

/// Limit of one wait. It includes pulling images, of which Kafka's alone has over 500 MB.
pub(super) const TIME_LIMIT: Duration = Duration::from_mins(20);
/// Poll interval.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Obstacles shown at once; the first ones usually block the others.
const SHOWN_MAX: usize = 3;
/// Characters shown of a reason while waiting.
const REASON_CHARS_MAX: usize = 160;

/// Waits until the Kustomization is Ready; without one, until everything is.
pub(super) fn wait(target: &Target, kustomization: Option<&str>) -> Outcome {
    let end = Instant::now() + TIME_LIMIT;
    let mut shown = Vec::new();
    loop {
        // A cluster that does not respond counts as not Ready.
        let found = objects::read(target);
        let left = match &found {
            Ok(objects) if is_ready(objects, kustomization) => return Ok(()),
            Ok(objects) => obstacles(objects),
            Err(reason) => vec![reason.clone()],
        };
        if Instant::now() >= end {
            let left = left.join("\n    ");
            let minutes = TIME_LIMIT.as_secs() / 60;
            return Err(format!(
                "not Ready after {minutes} minutes (run it again to continue waiting):\n    {left}"
            ));
        }
        let changed: Vec<String> = left.iter().take(SHOWN_MAX).map(|line| short(line)).collect();
        if changed != shown {
            for line in &changed {
                print!("\n    waiting: {line}");
            }
            println!();
            shown = changed;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Whether the Kustomization is Ready; without one, whether everything is, including the
/// application.
fn is_ready(objects: &[Object], kustomization: Option<&str>) -> bool {
    let ready = |object: &Object| object.problem(objects).is_none();
    let named = |name: &str| {
        objects.iter().any(|one| one.kind == "Kustomization" && one.name == name && ready(one))
    };
    let all = kustomization.is_some() || objects.iter().all(ready);
    named(kustomization.unwrap_or("erboh")) && all
}

/// The objects that are not Ready with the reasons, the most likely causes first.
pub(super) fn obstacles(objects: &[Object]) -> Vec<String> {
    let mut found: Vec<(usize, String)> = objects
        .iter()
        .filter_map(|one| Some((rank(one), format!("{}: {}", one.title(), one.problem(objects)?))))
        .collect();
    if objects.iter().all(|one| one.kind != "Kustomization") {
        found.push((0, "Flux has not applied the manifests yet".to_owned()));
    }
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, text)| text).collect()
}

/// A pod that cannot start explains its release, and that its Kustomization.
fn rank(object: &Object) -> usize {
    match object.kind.as_str() {
        "Pod" => 0,
        "Kafka" | "KafkaTopic" | "KafkaUser" => 1,
        "HelmRelease" => 2,
        "GitRepository" | "OCIRepository" => 3,
        _ => 4,
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= REASON_CHARS_MAX {
        return text.to_owned();
    }
    format!("{}…", text.chars().take(REASON_CHARS_MAX).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::objects::tests::{KUBECTL_OUTPUT, parsed};
    use super::*;

    #[test]
    fn one_layer_or_everything_is_ready() {
        let objects = parsed(KUBECTL_OUTPUT);
        assert!(is_ready(&objects, Some("kafka")));
        assert!(!is_ready(&objects, Some("erboh")));
        assert!(!is_ready(&objects, Some("operators")));
        assert!(!is_ready(&objects, None));
        let ready =
            KUBECTL_OUTPUT.lines().take(2).map(|line| line.replace("\tkafka\t", "\terboh\t"));
        let ready = parsed(&ready.collect::<Vec<_>>().join("\n"));
        assert!(is_ready(&ready, None));
        assert!(!is_ready(&[], None));
    }

    #[test]
    fn most_likely_causes_come_first() {
        let obstacles = obstacles(&parsed(KUBECTL_OUTPUT));
        assert!(obstacles[0].starts_with("Pod appdev/erboh-consumer-1: ImagePullBackOff"));
        assert!(obstacles.last().unwrap().starts_with("Kustomization flux-system/erboh"));
        assert_eq!(super::obstacles(&[]), ["Flux has not applied the manifests yet"]);
    }

    #[test]
    fn long_reason_is_cut_at_a_character_boundary() {
        assert_eq!(short("a"), "a");
        assert_eq!(short(&"ž".repeat(500)).chars().count(), REASON_CHARS_MAX + 1);
    }
}
