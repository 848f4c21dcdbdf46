//! Ready: waiting for it, and saying meanwhile what is waited for and why.

use std::time::{Duration, Instant};

use super::objects::{self, Object};
use super::target::Target;
use crate::Outcome;

/// Longest wait for one thing. Images are pulled meanwhile, Kafka's alone is over 500 MB.
pub(super) const TIME_LIMIT: Duration = Duration::from_mins(20);
/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Things in the way that are named at once; the first ones are what the others wait for.
const SHOWN_MAX: usize = 3;
/// Characters of a reason that are shown while waiting.
const REASON_CHARS_MAX: usize = 160;

/// Waits until that Kustomization is Ready, or everything is.
pub(super) fn wait(target: &Target, kustomization: Option<&str>) -> Outcome {
    let end = Instant::now() + TIME_LIMIT;
    let mut shown = Vec::new();
    loop {
        // A cluster that does not answer for a moment is as good as one that is not Ready.
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
                "not Ready after {minutes} minutes (run it again to go on waiting); in the way:\n    {left}"
            ));
        }
        let news: Vec<String> = left.iter().take(SHOWN_MAX).map(|line| short(line)).collect();
        if news != shown {
            for line in &news {
                print!("\n    waits: {line}");
            }
            println!();
            shown = news;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Whether that Kustomization is Ready. Without one: whether everything is, the application too.
fn is_ready(objects: &[Object], kustomization: Option<&str>) -> bool {
    let well = |object: &Object| object.trouble(objects).is_none();
    let named = |name: &str| {
        objects.iter().any(|one| one.kind == "Kustomization" && one.name == name && well(one))
    };
    named(kustomization.unwrap_or("erboh")) && (kustomization.is_some() || objects.iter().all(well))
}

/// What is not Ready and why; what holds up the others comes first.
pub(super) fn obstacles(objects: &[Object]) -> Vec<String> {
    let mut found: Vec<(usize, String)> = objects
        .iter()
        .filter_map(|one| Some((rank(one), format!("{}: {}", one.title(), one.trouble(objects)?))))
        .collect();
    if objects.iter().all(|one| one.kind != "Kustomization") {
        found.push((0, "Flux has made nothing of the tree yet".to_owned()));
    }
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, text)| text).collect()
}

/// A pod that cannot start explains the release above it, and that the Kustomization above that.
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
    use super::super::objects::tests::{ANSWER, parsed};
    use super::*;

    #[test]
    fn a_layer_is_ready_alone_and_the_whole_only_with_everything() {
        let objects = parsed(ANSWER);
        assert!(is_ready(&objects, Some("kafka")));
        assert!(!is_ready(&objects, Some("erboh")));
        assert!(!is_ready(&objects, Some("operators")));
        assert!(!is_ready(&objects, None));
        let well = ANSWER.lines().take(2).map(|line| line.replace("\tkafka\t", "\terboh\t"));
        let well = parsed(&well.collect::<Vec<_>>().join("\n"));
        assert!(is_ready(&well, None));
        assert!(!is_ready(&[], None));
    }

    #[test]
    fn what_holds_up_the_others_is_named_first() {
        let obstacles = obstacles(&parsed(ANSWER));
        assert!(obstacles[0].starts_with("Pod appdev/erboh-consumer-1: ImagePullBackOff"));
        assert!(obstacles.last().unwrap().starts_with("Kustomization flux-system/erboh"));
        assert_eq!(super::obstacles(&[]), ["Flux has made nothing of the tree yet"]);
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(short("a"), "a");
        assert_eq!(short(&"ž".repeat(500)).chars().count(), REASON_CHARS_MAX + 1);
    }
}
