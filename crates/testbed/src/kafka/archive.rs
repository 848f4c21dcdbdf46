//! A class data sharing archive of Kafka's classes, which JVMs map into memory.
//!
//! It nearly halves the CPU time of a broker start, which matters where dozens of brokers start on
//! two cores. A JVM ignores an archive that does not match its jars or its own version.

use std::path::PathBuf;
use std::time::SystemTime;

use super::{Cluster, ClusterSettings, jvm};

/// Next to the directory of the jars.
fn path() -> PathBuf {
    jvm::jars().with_file_name("kafka-classes.jsa")
}

/// The JVM option that uses the archive, if there is one.
pub(super) fn option() -> Option<String> {
    let path = path();
    path.exists().then(|| format!("-XX:SharedArchiveFile={}", path.display()))
}

/// Creates the archive for later starts, unless there is one newer than the jars: starts a broker,
/// which dumps its loaded classes when it exits.
pub fn share_classes() -> Result<(), String> {
    if is_current() {
        return Ok(());
    }
    let path = path();
    let partial = path.with_extension(std::process::id().to_string());
    let settings = ClusterSettings::default();
    let mut cluster = Cluster::prepare(&settings)?;
    let mut options = settings.jvm_options();
    // An old archive must not be used to create its successor.
    options.retain(|option| !option.contains("SharedArchiveFile"));
    options.push(format!("-XX:ArchiveClassesAtExit={}", partial.display()));
    cluster.nodes[0].start(&options, cluster.directory.temporary_path())?;
    cluster.wait_until_serving(1)?;
    cluster.stop(1)?;
    // Renamed atomically, because other processes start brokers at the same time.
    std::fs::rename(&partial, &path).map_err(|error| {
        format!("the JVM left no archive of its classes at {}: {error}", partial.display())
    })
}

fn is_current() -> bool {
    let modified = |path: PathBuf| path.metadata().and_then(|it| it.modified()).ok();
    let Ok(jars) = std::fs::read_dir(jvm::jars()) else { return false };
    let newest = jars.flatten().filter_map(|jar| modified(jar.path())).max();
    modified(path()) > Some(newest.unwrap_or(SystemTime::UNIX_EPOCH))
}
