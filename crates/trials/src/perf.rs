//! Apache Kafka's own performance tools, and the parsing of their output.

use std::process::Command;

use anyhow::Context as _;
use erboh_testbed::java;

use crate::start::output;

/// JVM options like those of the tools' start script.
const OPTIONS: [&str; 2] = ["-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"];

/// The measurements of the producer tool.
#[derive(Debug, PartialEq)]
pub(crate) struct Produced {
    pub(crate) records_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Creates a topic.
pub(crate) fn create_topic(bootstrap: &str, topic: &str, partitions: u32) -> anyhow::Result<()> {
    let mut tool = tool("TopicCommand", bootstrap, topic);
    output(tool.args(["--create", "--partitions", &partitions.to_string()])).map(drop)
}

/// The number of records including warm-up, which is not measured: in its first seconds the
/// client's JVM is slower than any broker.
pub(crate) fn with_warm_up(records: u64) -> u64 {
    records + records / 2
}

/// The command that produces `records` with acks=all, for [`run_producer`]. Client properties may
/// be appended, then other arguments.
pub(crate) fn producer(bootstrap: &str, topic: &str, records: u64) -> Command {
    let mut tool = tool("ProducerPerformance", bootstrap, topic);
    tool.args(["--num-records", &with_warm_up(records).to_string()]);
    tool.args(["--warmup-records", &(records / 2).to_string()]);
    tool.args(["--command-property", "acks=all"]);
    tool
}

/// Runs a [`producer`] command.
pub(crate) fn run_producer(tool: &mut Command, records: u64) -> anyhow::Result<Produced> {
    let text = output(tool)?;
    parse_produced(&text, records).with_context(|| format!("the producer tool printed: {text}"))
}

/// Consumes `records`; returns records per second, without the time to join the group.
pub(crate) fn consume(bootstrap: &str, topic: &str, records: u64) -> anyhow::Result<f64> {
    let mut tool = tool("ConsumerPerformance", bootstrap, topic);
    let text = output(tool.args(["--num-records", &records.to_string()]))?;
    parse_consumed(&text, records).with_context(|| format!("the consumer tool printed: {text}"))
}

fn tool(class: &str, bootstrap: &str, topic: &str) -> Command {
    let mut tool = java(&OPTIONS, &format!("org.apache.kafka.tools.{class}"));
    tool.args(["--bootstrap-server", bootstrap, "--topic", topic]);
    tool
}

/// `N steady state records sent, R records/sec (..), .. ms avg .., .. ms max .., M ms 50th, .., P ms 99th, ..`
fn parse_produced(text: &str, records: u64) -> Option<Produced> {
    let line = text.lines().rfind(|line| line.contains("99.9th"))?;
    line.starts_with(&format!("{records} steady state records sent")).then_some(())?;
    let before = |label: &str| -> Option<f64> {
        let field = line.split([',', '(']).find(|field| field.trim().ends_with(label))?;
        field.split_whitespace().next()?.parse().ok()
    };
    Some(Produced {
        records_per_s: before("records/sec")?,
        p50_ms: before("ms 50th")?,
        p99_ms: before("ms 99th")?,
    })
}

/// Parses a line of column names and a line of values.
fn parse_consumed(text: &str, records: u64) -> Option<f64> {
    let mut lines = text.lines().filter(|line| line.contains(',')).rev();
    let values: Vec<&str> = lines.next()?.split(", ").collect();
    let names: Vec<&str> = lines.next()?.split(", ").collect();
    let value = |name: &str| values.get(names.iter().position(|each| *each == name)?).copied();
    let read: u64 = value("data.consumed.in.nMsg")?.parse().ok()?;
    (read >= records).then_some(())?;
    value("fetch.nMsg.sec")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Produced, parse_consumed, parse_produced};

    const PRODUCED: &str = "In steady state.\n49942 records sent, 9982.4 records/sec (0.95 MB/sec), \
        4.4 ms avg latency, 32.0 ms max latency.\n150000 records sent, 9980.703972 records/sec \
        (0.95 MB/sec), 10.29 ms avg latency, 703.00 ms max latency, 4 ms 50th, 72 ms 95th, 133 ms \
        99th, 149 ms 99.9th.\n100000 steady state records sent, 9948.269001 records/sec (0.95 \
        MB/sec), 4.24 ms avg latency, 39.00 ms max latency, 4 ms 50th, 7 ms 95th, 12 ms 99th, 32 ms \
        99.9th.\n";
    const CONSUMED: &str = "start.time, end.time, data.consumed.in.MB, MB.sec, \
        data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, \
        fetch.nMsg.sec\n2026-11-22 10:48:45:829, 2026-11-22 10:48:46:610, 28.6102, 36.6328, 300000, \
        384122.9193, 419, 362, 79.0338, 828729.2818\n";

    #[test]
    fn producer_output_is_parsed() {
        let wanted = Produced { records_per_s: 9_948.269_001, p50_ms: 4.0, p99_ms: 12.0 };
        assert_eq!(parse_produced(PRODUCED, 100_000), Some(wanted));
        assert_eq!(parse_produced(PRODUCED, 150_000), None);
        assert_eq!(parse_produced("java.lang.OutOfMemoryError", 1), None);
    }

    #[test]
    fn consumer_output_is_parsed() {
        assert_eq!(parse_consumed(CONSUMED, 300_000), Some(828_729.281_8));
        assert_eq!(parse_consumed(CONSUMED, 300_001), None);
        assert_eq!(parse_consumed("", 1), None);
    }
}
