//! Recount: whether everything that was acknowledged is in the log, where it was said to be.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use erboh::queue::Topics;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use super::load::{Id, Outcome};
use crate::start::PATIENCE;

/// How long one poll waits.
const POLL: Duration = Duration::from_millis(100);

/// How many ratings were acknowledged and are not in the log at that place with that id.
pub(super) fn missing(
    bootstrap: &str,
    partitions: u32,
    outcomes: &[&Outcome],
) -> anyhow::Result<usize> {
    let mut claims: HashMap<(i32, i64), Id> = HashMap::new();
    let mut twice = 0;
    for place in outcomes.iter().flat_map(|outcome| &outcome.places) {
        // Two ratings cannot have one place.
        twice += usize::from(claims.insert((place.partition, place.offset), place.id).is_some());
    }
    let topic = Topics::default().ratings;
    let mut config = ClientConfig::new();
    // A group is never joined, but librdkafka wants a name for one.
    config.set("bootstrap.servers", bootstrap).set("group.id", "overload-recount");
    let reader: BaseConsumer = config.create().context("a client that reads the log")?;
    let mut assignment = TopicPartitionList::new();
    let mut left = 0;
    let mut ends = HashMap::new();
    for partition in 0..partitions as i32 {
        let (start, end) = reader.fetch_watermarks(&topic, partition, PATIENCE)?;
        assignment.add_partition_offset(&topic, partition, Offset::Offset(start))?;
        left += usize::from(start < end);
        ends.insert(partition, end);
    }
    reader.assign(&assignment)?;
    let mut last = Instant::now();
    while left > 0 {
        let Some(record) = reader.poll(POLL) else {
            if last.elapsed() > PATIENCE {
                bail!("the log cannot be read to its end: {left} partition(s) are left");
            }
            continue;
        };
        let record = record?;
        last = Instant::now();
        let place = (record.partition(), record.offset());
        let id = record.key().and_then(|key| std::str::from_utf8(key).ok()).and_then(Id::parse);
        if claims.get(&place).is_some_and(|claimed| Some(*claimed) == id) {
            claims.remove(&place);
        }
        left -= usize::from(ends.get(&place.0) == Some(&(place.1 + 1)));
    }
    Ok(claims.len() + twice)
}
