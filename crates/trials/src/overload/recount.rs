//! Recount: whether everything that was acknowledged is in the log, where it was said to be.

use std::collections::HashMap;

use erboh::queue::{KafkaSettings, Reader, Topics};

use super::load::{Id, Outcome};

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
    let reader = Reader::for_ranges(&KafkaSettings::new(bootstrap), "overload-recount")?;
    for partition in 0..partitions as i32 {
        let range = reader.watermarks(&topic, partition)?;
        reader.range(&topic, partition, range, |record| {
            let place = (partition, record.offset());
            let id = record.key().and_then(|key| std::str::from_utf8(key).ok()).and_then(Id::parse);
            if claims.get(&place).is_some_and(|claimed| Some(*claimed) == id) {
                claims.remove(&place);
            }
        })?;
    }
    Ok(claims.len() + twice)
}
