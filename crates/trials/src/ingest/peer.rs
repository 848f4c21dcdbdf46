//! The peer: Kafka's kafka-producer-perf-test with the same bytes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use erboh::rating::RatingId;

use super::pinning::PIN_TO_FIRST_CORE;
use super::{COMPRESSION, PARTITIONS, ours};
use crate::perf;

/// A prepared run of the tool.
pub(super) struct Peer {
    bootstrap: String,
    /// One record per line.
    payload: PathBuf,
}

impl Peer {
    pub(super) fn prepare(bootstrap: &str, directory: &Path) -> anyhow::Result<Self> {
        let mut lines = String::new();
        for mut rating in ours::ratings() {
            let id = RatingId::new();
            (rating.id, rating.rater) = (Some(id), None);
            // The tool's records have no key, so our key becomes part of the value.
            writeln!(lines, "{id}{}", String::from_utf8_lossy(&rating.to_json()))?;
        }
        let payload = directory.join("payload.txt");
        std::fs::write(&payload, lines)
            .with_context(|| format!("writing {}", payload.display()))?;
        Ok(Self { bootstrap: bootstrap.to_owned(), payload })
    }

    /// Sends `records` records to a new topic; returns the acknowledged records per second.
    pub(super) fn run(&self, records: u64, number: u32) -> anyhow::Result<f64> {
        let topic = format!("peer-{number}");
        perf::create_topic(&self.bootstrap, &topic, PARTITIONS)?;
        let mut tool = perf::producer(&self.bootstrap, &topic, records);
        tool.arg(format!("compression.type={COMPRESSION}"));
        tool.args(["--throughput", "-1", "--payload-file"]).arg(&self.payload);
        Ok(perf::run_producer(&mut pinned(&tool), records)?.records_per_s)
    }
}

/// The command pinned to the core of the process under test.
fn pinned(command: &Command) -> Command {
    let mut pinned = Command::new(PIN_TO_FIRST_CORE[0]);
    pinned.args(&PIN_TO_FIRST_CORE[1..]).arg(command.get_program()).args(command.get_args());
    pinned
}
