//! What a person can set about the broker.

use std::path::PathBuf;

/// How the broker runs. Every field has a default that suits a laptop.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Directory of everything that the broker keeps. Created if missing, locked while in use.
    pub data_dir: PathBuf,
    /// Host name that clients are told to connect to. `None`: the address of the listener, or
    /// `localhost` if that is a wildcard address.
    pub advertised_host: Option<String>,
    /// Port that clients are told to connect to. `None`: the port of the listener.
    pub advertised_port: Option<u16>,
    /// Whether a client that asks for an unknown topic gets it created, where it allows that.
    pub auto_create_topics: bool,
    /// Partitions of a topic whose creator did not say, 1 to 10,000.
    pub default_partitions: i32,
    /// Force every write to the disk before it is acknowledged. Otherwise an acknowledged write is
    /// in the page cache: safe from a crash of the process, not from a power cut.
    pub fsync_always: bool,
    /// Time between two forced writes to the disk where `fsync_always` is off.
    pub fsync_interval_ms: u64,
    /// Largest request, 1 KiB to 1 GiB. A longer one closes its connection.
    pub request_max_bytes: usize,
    /// Memory for large requests and answers of all connections together, half for each; at least
    /// twice `request_max_bytes`.
    pub memory_bytes: u32,
    /// Connections at one time; further ones are closed at once. Lowered to half of the files that
    /// the process may open, so that logs always find room.
    pub max_connections: usize,
    /// Time between two rounds of background work: retention, compaction, rolling by age.
    pub maintenance_interval_ms: u64,
    /// Time that the first rebalance of an empty group waits for further members.
    pub group_initial_rebalance_delay_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("broker-data"),
            advertised_host: None,
            advertised_port: None,
            auto_create_topics: true,
            default_partitions: 1,
            fsync_always: false,
            fsync_interval_ms: 1_000,
            request_max_bytes: 100 * 1024 * 1024,
            memory_bytes: 256 * 1024 * 1024,
            max_connections: 2_000,
            maintenance_interval_ms: 30_000,
            group_initial_rebalance_delay_ms: 3_000,
        }
    }
}

/// Partitions of one topic: each has its directory and open files.
pub(crate) const MAX_PARTITIONS: i32 = 10_000;

impl Settings {
    /// Connections to allow here: the setting, but at most half of the files that may be open.
    pub(crate) fn connections(&self) -> usize {
        (open_files_max() / 2).clamp(1, self.max_connections)
    }

    /// Says which setting is out of range, if any, and what the range is.
    ///
    /// # Errors
    /// The sentence to show to whoever set it.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=MAX_PARTITIONS).contains(&self.default_partitions) {
            return Err(format!(
                "default_partitions is {}, it must be from 1 to {MAX_PARTITIONS}",
                self.default_partitions
            ));
        }
        if !(1024..=1024 * 1024 * 1024).contains(&self.request_max_bytes) {
            return Err(format!(
                "request_max_bytes is {}, it must be from 1 KiB to 1 GiB",
                self.request_max_bytes
            ));
        }
        if (self.memory_bytes as usize / 2) < self.request_max_bytes {
            return Err(format!(
                "memory_bytes is {}, it must be at least twice request_max_bytes ({})",
                self.memory_bytes, self.request_max_bytes
            ));
        }
        if self.fsync_interval_ms == 0 || self.maintenance_interval_ms == 0 {
            return Err("fsync_interval_ms and maintenance_interval_ms must be at least 1".into());
        }
        if self.max_connections == 0 {
            return Err("max_connections must be at least 1".into());
        }
        Ok(())
    }
}

/// Partitions of all topics to allow here. Each keeps a file open for every segment, so they may
/// take a quarter of the files that may be open.
pub(crate) fn partitions_max() -> usize {
    open_files_max() / 4
}

/// Files that this process may open. Where the system does not say (it does on Linux), 256: the
/// usual limit of a shell on macOS.
fn open_files_max() -> usize {
    std::fs::read_to_string("/proc/self/limits")
        .ok()
        .and_then(|text| soft_limit(&text))
        .unwrap_or(256)
}

fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range() {
        assert_eq!(Settings::default().check(), Ok(()));
    }

    #[test]
    fn says_which_setting_is_out_of_range() {
        let check = |settings: Settings, expected: &str| {
            let error = settings.check().unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        };
        let default = Settings::default;
        check(Settings { default_partitions: 0, ..default() }, "default_partitions is 0");
        check(Settings { request_max_bytes: 1, ..default() }, "request_max_bytes is 1");
        check(Settings { memory_bytes: 1, ..default() }, "memory_bytes is 1");
        check(Settings { fsync_interval_ms: 0, ..default() }, "fsync_interval_ms");
        check(Settings { max_connections: 0, ..default() }, "max_connections");
    }

    #[test]
    fn reads_the_limit_of_open_files() {
        let text = "Max processes    1    2   processes\nMax open files   1024   4096   files\n";
        assert_eq!(soft_limit(text), Some(1024));
        assert_eq!(soft_limit("Max open files unlimited unlimited files"), Some(usize::MAX));
        assert_eq!(soft_limit("nothing"), None);
    }
}
