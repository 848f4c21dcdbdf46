//! Apache Kafka's performance tools, and what their last lines say.

use std::net::SocketAddr;

use erboh_testbed::java;

use crate::process;

/// What the tools' own start script gives them.
const HEAP: &str = "-Xmx512m";
const QUIET: &str = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error";
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ProducerPerformance";
const CONSUMER: &str = "org.apache.kafka.tools.ConsumerPerformance";
const RECORD_BYTES: usize = 100;

/// What the producer's tool measured.
#[derive(Debug, PartialEq)]
pub(crate) struct Produced {
    pub(crate) records_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Creates a topic.
pub(crate) fn create_topic(broker: SocketAddr, topic: &str, partitions: u32) -> Result<(), String> {
    let mut tool = java(&[HEAP, QUIET], TOPICS);
    tool.args(["--bootstrap-server", &broker.to_string(), "--create", "--topic", topic]);
    process::capture(tool.args(["--partitions", &partitions.to_string()])).map(drop)
}

/// Produces `records` of 100 bytes with acks=all and otherwise default settings, at most
/// `per_s_max` a second, or as fast as they go. Before them go half as many that are not
/// measured: in its first seconds the client's JVM is slower than any broker.
///
/// Answers how many records are in the topic then, and what was measured.
pub(crate) fn produce(
    broker: SocketAddr,
    topic: &str,
    records: u64,
    per_s_max: Option<u64>,
) -> Result<(u64, Produced), String> {
    let warm_up = records / 2;
    let sent = records + warm_up;
    let limit = per_s_max.map_or_else(|| "-1".to_owned(), |limit| limit.to_string());
    let mut tool = java(&[HEAP, QUIET], PRODUCER);
    tool.args(["--topic", topic, "--num-records", &sent.to_string()]);
    tool.args(["--warmup-records", &warm_up.to_string()]);
    tool.args(["--record-size", &RECORD_BYTES.to_string(), "--throughput", &limit]);
    tool.args(["--bootstrap-server", &broker.to_string(), "--command-property", "acks=all"]);
    let text = process::capture(&mut tool)?;
    let measured = produced(&text, records)
        .ok_or_else(|| format!("the producer's performance test ended with: {}", last(&text)))?;
    Ok((sent, measured))
}

/// Consumes `records` and answers records per second, not counting the time to join the group.
pub(crate) fn consume(broker: SocketAddr, topic: &str, records: u64) -> Result<f64, String> {
    let mut tool = java(&[HEAP, QUIET], CONSUMER);
    tool.args(["--topic", topic, "--num-records", &records.to_string()]);
    tool.args(["--bootstrap-server", &broker.to_string()]);
    let text = process::capture(&mut tool)?;
    consumed(&text, records)
        .ok_or_else(|| format!("the consumer's performance test ended with: {}", last(&text)))
}

/// `N steady state records sent, R records/sec (..), .. ms avg .., .. ms max .., M ms 50th, .., P ms 99th, ..`
fn produced(text: &str, records: u64) -> Option<Produced> {
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

/// A line of column names and a line of values.
fn consumed(text: &str, records: u64) -> Option<f64> {
    let mut lines = text.lines().filter(|line| line.contains(',')).rev();
    let values: Vec<&str> = lines.next()?.split(", ").collect();
    let names: Vec<&str> = lines.next()?.split(", ").collect();
    let value = |name: &str| values.get(names.iter().position(|each| *each == name)?).copied();
    let read: u64 = value("data.consumed.in.nMsg")?.parse().ok()?;
    (read >= records).then_some(())?;
    value("fetch.nMsg.sec")?.parse().ok()
}

fn last(text: &str) -> &str {
    text.trim().lines().next_back().unwrap_or("(nothing)")
}

#[cfg(test)]
mod tests {
    use super::{Produced, consumed, produced};

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
    fn the_producers_last_line_is_understood() {
        let wanted = Produced { records_per_s: 9_948.269_001, p50_ms: 4.0, p99_ms: 12.0 };
        assert_eq!(produced(PRODUCED, 100_000), Some(wanted));
        assert_eq!(produced(PRODUCED, 150_000), None);
        assert_eq!(produced("java.lang.OutOfMemoryError", 1), None);
    }

    #[test]
    fn the_consumers_table_is_understood() {
        assert_eq!(consumed(CONSUMED, 300_000), Some(828_729.281_8));
        assert_eq!(consumed(CONSUMED, 300_001), None);
        assert_eq!(consumed("", 1), None);
    }
}
