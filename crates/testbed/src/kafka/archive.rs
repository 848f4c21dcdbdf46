//! Archive: Kafka's classes in the form in which a JVM keeps them in memory.
//!
//! With one a broker starts with not much more than half the work, which counts where dozens of
//! them start on two cores. A JVM that finds the archive unfit for its jars or for itself does
//! without it.

use std::path::PathBuf;
use std::time::SystemTime;

use super::{Cluster, ClusterSettings, jvm};

/// Beside the directory of the jars.
fn path() -> PathBuf {
    jvm::jars().with_file_name("kafka-classes.jsa")
}

/// The option for a JVM, if there is an archive.
pub(super) fn option() -> Option<String> {
    let path = path();
    path.exists().then(|| format!("-XX:SharedArchiveFile={}", path.display()))
}

/// Makes the archive that later starts use, if there is none that is newer than the jars: a
/// broker is started, and writes down its classes as it ends.
pub fn share_classes() -> Result<(), String> {
    if is_current() {
        return Ok(());
    }
    let path = path();
    let partial = path.with_extension(std::process::id().to_string());
    let settings = ClusterSettings::default();
    let mut cluster = Cluster::prepare(&settings)?;
    let mut options = settings.jvm_options();
    // An old one must not be in the way of its successor.
    options.retain(|option| !option.contains("SharedArchiveFile"));
    options.push(format!("-XX:ArchiveClassesAtExit={}", partial.display()));
    cluster.nodes[0].start(&options, cluster.directory.leftovers())?;
    cluster.wait_until_serving(1)?;
    cluster.stop(1)?;
    // Whole or not at all, because other processes start brokers at the same time.
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
