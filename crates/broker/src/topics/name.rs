//! A topic's name: a word that is safe as part of a directory's name.

use std::sync::Arc;

use kafka_protocol::ResponseError;

use crate::topics::{Refusal, Topic};

/// Kafka's limit, which leaves room for `-<partition>` in a file name of 255 bytes.
const LENGTH_MAX: usize = 249;

/// Kafka's rule for topic names.
pub(crate) fn check(name: &str) -> Result<(), Refusal> {
    let refuse = |reason: String| Err(Refusal::new(ResponseError::InvalidTopicException, reason));
    if name.is_empty() || name == "." || name == ".." {
        return refuse(format!("\"{name}\" cannot be a topic's name"));
    }
    if name.len() > LENGTH_MAX {
        return refuse(format!("a topic's name has at most {LENGTH_MAX} characters"));
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return refuse(format!(
            "topic name {name:?} has a character other than letters, digits, '.', '_' and '-'"
        ));
    }
    Ok(())
}

/// Where file names ignore case, two topics that differ only in case would share their files.
pub(super) fn check_case(name: &str, all: impl Fn() -> Vec<Arc<Topic>>) -> Result<(), Refusal> {
    if !cfg!(any(target_os = "macos", target_os = "windows")) {
        return Ok(());
    }
    match all().iter().find(|topic| topic.name.eq_ignore_ascii_case(name)) {
        None => Ok(()),
        Some(topic) => Err(Refusal::new(
            ResponseError::InvalidTopicException,
            format!("topic {} differs only in case, and file names here ignore case", topic.name),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_paths() {
        let long = "a".repeat(LENGTH_MAX);
        for good in ["a", "voice-ratings", "__consumer_offsets", "A.b_c-9", "...", &long] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "ä", "a\0", "a\\b", &(long.clone() + "a")] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
