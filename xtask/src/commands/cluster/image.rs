//! The tag of a built image, and the patch that sets the image of the release.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::process;

/// A tag that no other content has, because nodes pull a tag only once: the commit, and with
/// uncommitted changes also the time.
pub(super) fn tag() -> Result<String, String> {
    let git = |arguments: &[&str]| {
        process::capture(Command::new("git").args(arguments))
            .map_err(|reason| format!("reading the commit from git: {reason}"))
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?.trim().to_owned();
    if git(&["status", "--porcelain"])?.is_empty() {
        return Ok(commit);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{commit}-dirty-{}", now.as_secs()))
}

/// The merge patch that sets the image in the values of the release.
pub(super) fn patch(image: &str) -> String {
    let (name, digest) = image.split_once('@').unwrap_or((image, ""));
    let tag_at = name.rfind(':').filter(|colon| !name[*colon..].contains('/'));
    let (repository, tag) = tag_at.map_or((name, ""), |colon| (&name[..colon], &name[colon + 1..]));
    format!(
        r#"{{"spec":{{"values":{{"image":{{"repository":"{repository}","tag":"{tag}","digest":"{digest}"}}}}}}}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_is_split_into_repository_tag_and_digest() {
        let check = |image: &str, repository: &str, tag: &str, digest: &str| {
            let parts =
                format!(r#"{{"repository":"{repository}","tag":"{tag}","digest":"{digest}"}}"#);
            assert!(patch(image).contains(&parts), "{}", patch(image));
        };
        check("kind-registry:5000/erboh:abc", "kind-registry:5000/erboh", "abc", "");
        check("10.0.0.1:5000/erboh", "10.0.0.1:5000/erboh", "", "");
        check("ghcr.io/me/erboh:1@sha256:ff", "ghcr.io/me/erboh", "1", "sha256:ff");
    }
}
