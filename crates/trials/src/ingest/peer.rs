//! Peer: Kafka's own kafka-producer-perf-test, with the bytes that ours sends.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use erboh::rating::RatingId;

use super::cores::ON_THE_FIRST;
use super::{COMPRESSION, PARTITIONS, ours};
use crate::perf;

/// The tool, and what it needs.
pub(super) struct Peer {
    bootstrap: String,
    /// One record a line.
    payload: PathBuf,
}

impl Peer {
    pub(super) fn prepare(bootstrap: &str, directory: &Path) -> anyhow::Result<Self> {
        let mut lines = String::new();
        for mut rating in ours::ratings() {
            let id = RatingId::new();
            (rating.id, rating.rater) = (Some(id), None);
            // Its records have no key: what ours has as one goes into the value.
            writeln!(lines, "{id}{}", String::from_utf8_lossy(&rating.to_json()))?;
        }
        let payload = directory.join("payload.txt");
        std::fs::write(&payload, lines)
            .with_context(|| format!("writing {}", payload.display()))?;
        Ok(Self { bootstrap: bootstrap.to_owned(), payload })
    }

    /// Sends so many records to a new topic; says how many were acknowledged a second.
    pub(super) fn run(&self, records: u64, number: u32) -> anyhow::Result<f64> {
        let topic = format!("peer-{number}");
        perf::create_topic(&self.bootstrap, &topic, PARTITIONS)?;
        let mut tool = perf::producer(&self.bootstrap, &topic, records);
        tool.arg(format!("compression.type={COMPRESSION}"));
        tool.args(["--throughput", "-1", "--payload-file"]).arg(&self.payload);
        Ok(perf::produced(&mut on_the_first(&tool), records)?.records_per_s)
    }
}

/// The same command on the core of whoever is measured.
fn on_the_first(command: &Command) -> Command {
    let mut pinned = Command::new(ON_THE_FIRST[0]);
    pinned.args(&ON_THE_FIRST[1..]).arg(command.get_program()).args(command.get_args());
    pinned
}
