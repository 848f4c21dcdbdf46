//! The directory of a cluster's files, temporary or chosen by the caller.

use std::path::{Path, PathBuf};

use crate::random;

/// A directory that is removed when this is dropped, if it is temporary.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    temporary: bool,
}

impl Directory {
    /// Opens the requested directory, or a new temporary one.
    pub(super) fn open(requested: Option<&Path>) -> Result<Self, String> {
        let path = requested.map_or_else(unused, Path::to_owned);
        // The JVMs may have a different working directory.
        let path = std::path::absolute(&path)
            .map_err(|error| format!("the directory {}: {error}", path.display()))?;
        let directory = Self { path, temporary: requested.is_none() };
        std::fs::create_dir_all(&directory.path)
            .map_err(|error| format!("creating {}: {error}", directory.path.display()))?;
        Ok(directory)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path, if it is temporary: the supervisor of each JVM removes it if this process is
    /// killed.
    pub(super) fn temporary_path(&self) -> Option<&Path> {
        self.temporary.then_some(&self.path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.temporary {
            // Best effort: the system cleans up its temporary directory eventually.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// A unique path in the system's temporary directory.
fn unused() -> PathBuf {
    let name = format!("erboh-kafka-{}-{:x}", std::process::id(), random::number());
    std::env::temp_dir().join(name)
}
