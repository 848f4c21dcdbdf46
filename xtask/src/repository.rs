//! Paths in this repository.

use std::path::{Path, PathBuf};

/// The workspace's root, determined when xtask was built.
pub(crate) fn root() -> &'static Path {
    let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest_dir.parent().unwrap_or(manifest_dir)
}

/// A path below the root.
pub(crate) fn path(below: &str) -> PathBuf {
    root().join(below)
}

/// A path below cargo's target directory, which the caller may have changed.
pub(crate) fn target(below: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| path("target"), PathBuf::from);
    root().join(target).join(below)
}
