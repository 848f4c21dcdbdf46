//! The storage format of a node: the two files without which it does not start.
//!
//! ```text
//!  meta.properties        node.id, cluster.id and directory.id
//!  bootstrap.checkpoint   the initial metadata records: feature levels, SCRAM users
//! ```
//!
//! Kafka's storage tool formats the first node. The other nodes get a copy of the checkpoint with
//! their own ids, because one JVM per node would take longer than the rest of the preparation.

use std::fs;
use std::path::Path;

use super::{archive, jvm};
use crate::random;

const META: &str = "meta.properties";
const CHECKPOINT: &str = "bootstrap.checkpoint";
/// A small heap starts fastest and is sufficient.
const OPTIONS: [&str; 3] = ["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];

/// Formats the data directory named in `properties`. `users` is a file with further arguments, one
/// per line.
pub(super) fn format(properties: &Path, cluster: &str, users: Option<&Path>) -> Result<(), String> {
    let mut arguments: Vec<String> = OPTIONS.map(str::to_owned).into();
    arguments.extend(archive::option());
    // Errors go to the standard streams, not to the logger.
    arguments.push("-Dorg.slf4j.simpleLogger.defaultLogLevel=error".to_owned());
    arguments.extend(jvm::class_path());
    arguments.extend(["kafka.tools.StorageTool", "format", "-t", cluster, "-c"].map(str::to_owned));
    arguments.push(properties.to_string_lossy().into_owned());
    arguments.extend(users.map(|file| format!("@{}", file.display())));
    let formatted = jvm::run(&arguments);
    formatted.map(drop).map_err(|error| format!("formatting {}: {error}", properties.display()))
}

/// Creates the data directory of node `id` from that of another node of the cluster.
pub(super) fn derive(from: &Path, to: &Path, id: u32) -> Result<(), String> {
    let derive = || -> std::io::Result<()> {
        fs::create_dir_all(to)?;
        fs::copy(from.join(CHECKPOINT), to.join(CHECKPOINT))?;
        let meta = fs::read_to_string(from.join(META))?;
        fs::write(to.join(META), derived(&meta, id, &random::kafka_id()))
    };
    derive().map_err(|error| format!("formatting {}: {error}", to.display()))
}

/// Whether this data directory is formatted.
pub(super) fn is_formatted(data: &Path) -> bool {
    data.join(META).exists()
}

fn derived(meta: &str, id: u32, directory: &str) -> String {
    let line = |line: &str| match line.split_once('=') {
        Some(("node.id", _)) => format!("node.id={id}\n"),
        Some(("directory.id", _)) => format!("directory.id={directory}\n"),
        _ => format!("{line}\n"),
    };
    meta.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_node_id_and_directory_id_change() {
        let meta = "#\nnode.id=1\ndirectory.id=8OrE\nversion=1\ncluster.id=ZXJi\n";
        let wanted = "#\nnode.id=3\ndirectory.id=eNew\nversion=1\ncluster.id=ZXJi\n";
        assert_eq!(super::derived(meta, 3, "eNew"), wanted);
    }
}
