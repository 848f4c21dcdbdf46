//! Checks that every acknowledged rating is in the log at its offset.

use std::collections::HashMap;

use erboh::queue::{KafkaSettings, Reader, Topics};

use super::load::{Id, Outcome};

/// The number of acknowledged ratings that are not in the log at their offset with their id.
pub(super) fn missing(
    bootstrap: &str,
    partitions: u32,
    outcomes: &[&Outcome],
) -> anyhow::Result<usize> {
    let mut expected: HashMap<(i32, i64), Id> = HashMap::new();
    let mut duplicates = 0;
    for rating in outcomes.iter().flat_map(|outcome| &outcome.acknowledged) {
        // Two ratings cannot have the same offset.
        let offset = (rating.partition, rating.offset);
        duplicates += usize::from(expected.insert(offset, rating.id).is_some());
    }
    let topic = Topics::default().ratings;
    let reader = Reader::for_ranges(&KafkaSettings::new(bootstrap), "overload-recount")?;
    for partition in 0..partitions as i32 {
        let range = reader.watermarks(&topic, partition)?;
        reader.range(&topic, partition, range, |record| {
            let offset = (partition, record.offset());
            let id = record.key().and_then(|key| std::str::from_utf8(key).ok()).and_then(Id::parse);
            if expected.get(&offset).is_some_and(|expected| Some(*expected) == id) {
                expected.remove(&offset);
            }
        })?;
    }
    Ok(expected.len() + duplicates)
}
