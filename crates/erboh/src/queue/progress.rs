//! Progress: how far a reader is, out of librdkafka's statistics.
//!
//! A record's offset alone does not tell: after the last record there may be control records and
//! aborted transactions, which move the position but are never delivered. librdkafka notes the
//! offset at which it last found the end of a partition; everything before it has been put on the
//! reader's queue by then.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

/// How far a reader is.
pub(super) struct Progress {
    /// Whether some broker is connected.
    pub(super) connected: bool,
    /// By topic and partition.
    pub(super) topics: HashMap<String, BTreeMap<i32, Position>>,
}

/// How far a reader is in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Where the end of the log was last reached: all records before it stand in the reader's
    /// queue or have been delivered. Negative if the end has not been reached yet.
    pub reached_end: i64,
    /// Where the log ends, records of transactions that have not ended and whatever comes behind
    /// them included: they are still to be counted. Negative if not known yet.
    pub log_end: i64,
}

#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    brokers: HashMap<String, Broker>,
    #[serde(default)]
    topics: HashMap<String, Topic>,
}

#[derive(Deserialize)]
struct Broker {
    state: String,
}

#[derive(Deserialize)]
struct Topic {
    #[serde(default)]
    partitions: HashMap<String, Partition>,
}

#[derive(Deserialize)]
struct Partition {
    #[serde(rename = "eof_offset")]
    eof: i64,
    #[serde(rename = "hi_offset")]
    high_watermark: i64,
}

/// Reads one report. One that cannot be read is skipped; the next comes soon.
pub(super) fn parse(json: &[u8]) -> Option<Progress> {
    let statistics: Statistics = match serde_json::from_slice(json) {
        Ok(statistics) => statistics,
        Err(error) => {
            tracing::debug!(%error, "statistics of librdkafka have another shape");
            return None;
        }
    };
    let positions = |topic: Topic| {
        let numbered = |(name, partition): (String, Partition)| {
            let number: i32 = name.parse().ok()?;
            // Number -1 is librdkafka's own, for records without a partition yet.
            (number >= 0).then(|| (number, position(&partition)))
        };
        topic.partitions.into_iter().filter_map(numbered).collect()
    };
    Some(Progress {
        connected: statistics.brokers.values().any(|broker| broker.state == "UP"),
        topics: statistics.topics.into_iter().map(|(name, t)| (name, positions(t))).collect(),
    })
}

fn position(partition: &Partition) -> Position {
    Position { reached_end: partition.eof, log_end: partition.high_watermark }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_needs_and_ignores_the_rest() {
        let progress = parse(
            br#"{"name":"x","brokers":{"b":{"name":"b","state":"UP"}},"topics":{"t":{"topic":"t",
            "partitions":{"0":{"partition":0,"eof_offset":7,"hi_offset":9,"ls_offset":8,"rxmsgs":1},
            "-1":{"partition":-1,"eof_offset":-1001,"hi_offset":-1001,"ls_offset":-1001}}}}}"#,
        )
        .unwrap();
        assert!(progress.connected);
        let expected = Position { reached_end: 7, log_end: 9 };
        assert_eq!(progress.topics["t"], BTreeMap::from([(0, expected)]));
    }

    #[test]
    fn skips_a_report_of_another_shape() {
        assert!(parse(b"{\"topics\":[]}").is_none());
    }
}
