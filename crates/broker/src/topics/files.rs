//! The directories of partitions.

use std::collections::HashSet;
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use uuid::Uuid;

use crate::topics::Topic;

/// A directory that is on its way out ends so. No partition's does.
const DELETED: &str = ".deleted";

pub(super) fn partition_dir(dir: &Path, topic: &str, index: i32) -> PathBuf {
    dir.join(format!("{topic}-{index}"))
}

/// Removes these partitions' directories, if there are any. Renamed first, so that a crash cannot
/// leave half of a log where a new one will be.
pub(super) fn clear(dir: &Path, topic: &str, partitions: Range<i32>) -> Result<(), String> {
    for index in partitions {
        let live = partition_dir(dir, topic, index);
        let dead = dir.join(format!("{}{DELETED}", Uuid::new_v4()));
        match fs::rename(&live, &dead) {
            Ok(()) => fs::remove_dir_all(&dead),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(|error| format!("{} cannot be removed: {error}", live.display()))?;
    }
    Ok(())
}

/// Finishes removals that a crash interrupted, and names directories that belong to no topic. Those
/// stay: if the journal was lost, they are all that is left of the data.
pub(super) fn sweep(dir: &Path, topics: &[Arc<Topic>]) {
    let known: HashSet<OsString> = topics
        .iter()
        .flat_map(|topic| {
            (0..topic.partition_count()).map(|i| format!("{}-{i}", topic.name).into())
        })
        .collect();
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten().filter(|entry| !known.contains(&entry.file_name())) {
        let path = entry.path();
        if !entry.file_name().to_string_lossy().ends_with(DELETED) {
            tracing::warn!("{} belongs to no topic; remove it if nobody misses it", path.display());
        } else if let Err(error) = fs::remove_dir_all(&path) {
            tracing::warn!("{} cannot be removed: {error}", path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clears_only_what_it_is_asked_to() {
        let temp = tempfile::tempdir().unwrap();
        for name in ["a-0", "a-1", "a-2", "a-1-0"] {
            fs::create_dir_all(temp.path().join(name).join("inner")).unwrap();
        }
        fs::create_dir(temp.path().join(format!("x{DELETED}"))).unwrap();
        clear(temp.path(), "a", 1..5).unwrap();
        sweep(temp.path(), &[]);
        let mut left: Vec<_> =
            fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["a-0", "a-1-0"]);
    }
}
