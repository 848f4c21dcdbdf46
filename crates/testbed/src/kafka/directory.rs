//! Directory: where a cluster keeps its files, and whether they go with it.

use std::path::{Path, PathBuf};

use crate::random;

/// A directory that is removed when this is dropped, if it is a temporary one.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    temporary: bool,
}

impl Directory {
    /// The one that the caller wants, or a new temporary one.
    pub(super) fn open(wanted: Option<&Path>) -> Result<Self, String> {
        let path = wanted.map_or_else(unused, Path::to_owned);
        // The JVMs may have another current directory than we.
        let path = std::path::absolute(&path)
            .map_err(|error| format!("the directory {}: {error}", path.display()))?;
        let directory = Self { path, temporary: wanted.is_none() };
        std::fs::create_dir_all(&directory.path)
            .map_err(|error| format!("creating {}: {error}", directory.path.display()))?;
        Ok(directory)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What somebody else has to remove if this process is killed.
    pub(super) fn leftovers(&self) -> Option<&Path> {
        self.temporary.then_some(&self.path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.temporary {
            // Nobody is left to tell; the system clears its temporary directory some day.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// A path in the system's temporary directory that nobody else uses.
fn unused() -> PathBuf {
    let name = format!("erboh-kafka-{}-{:x}", std::process::id(), random::number());
    std::env::temp_dir().join(name)
}
