//! Peer: Kafka's own kafka-producer-perf-test, with the bytes that ours sends.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use erboh::rating::RatingId;
use erboh_testbed::java;

use super::cores::ON_THE_FIRST;
use super::{COMPRESSION, PARTITIONS, ours};

/// What the tool's own start script gives it.
const HEAP: &str = "-Xmx512m";
const QUIET: &str = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error";
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ProducerPerformance";

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

    /// Sends so many records to a new topic; says how many were acknowledged a second. Before them
    /// go half as many that are not measured: in its first seconds a JVM is slower than any broker.
    pub(super) fn run(&self, records: u64, number: u32) -> anyhow::Result<f64> {
        let topic = format!("peer-{number}");
        let mut create = java(&[HEAP, QUIET], TOPICS);
        create.args(["--bootstrap-server", &self.bootstrap, "--create", "--topic", &topic]);
        output(create.args(["--partitions", &PARTITIONS.to_string()]))?;
        let mut tool = java(&[HEAP, QUIET], PRODUCER);
        tool.args(["--topic", &topic, "--throughput", "-1"]);
        tool.args(["--num-records", &(records + records / 2).to_string()]);
        tool.args(["--warmup-records", &(records / 2).to_string()]);
        tool.arg("--payload-file").arg(&self.payload);
        tool.args(["--bootstrap-server", &self.bootstrap, "--command-property", "acks=all"]);
        tool.arg(format!("compression.type={COMPRESSION}"));
        let text = output(&mut on_the_first(&tool))?;
        let last = text.trim().lines().next_back().unwrap_or_default();
        per_s(last, records).with_context(|| format!("the tool ended with: {last}"))
    }
}

/// The same command on the core of whoever is measured.
fn on_the_first(command: &Command) -> Command {
    let mut pinned = Command::new(ON_THE_FIRST[0]);
    pinned.args(&ON_THE_FIRST[1..]).arg(command.get_program()).args(command.get_args());
    pinned
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().context("starting one of Kafka's tools")?;
    if !output.status.success() {
        bail!("one of Kafka's tools failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `N steady state records sent, R records/sec (..), …`
fn per_s(line: &str, records: u64) -> Option<f64> {
    let rest = line.strip_prefix(&format!("{records} steady state records sent, "))?;
    rest.split_once(" records/sec")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::per_s;

    #[test]
    fn the_tools_last_line_is_understood() {
        let line = "1000000 steady state records sent, 297000.297000 records/sec (50.89 MB/sec), \
                    12.28 ms avg latency, 53.00 ms max latency, 11 ms 50th";
        assert_eq!(per_s(line, 1_000_000), Some(297_000.297));
        assert_eq!(per_s(line, 1_500_000), None);
        assert_eq!(per_s("", 1), None);
    }
}
