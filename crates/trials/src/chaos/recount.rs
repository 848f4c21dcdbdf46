//! An independent recount of the log, as simple as possible.
//!
//! ```text
//!  log, record by record ─► a sent rating? ─► unchanged, at the acknowledged offset?
//!                               └► counted, duplicate or dead ─► equal to every snapshot on the way
//! ```
//!
//! It shares no code with the product: one map has the last offset of each id, another the voices.

use std::collections::HashMap;

use serde_json::Value;
use uuid::Uuid;

use super::violation::{Guarantee, Violations};
use crate::ratings::ledger::{Ledger, RecordLocation, State};
use crate::ratings::rating::Ratings;
use crate::ratings::totals::{Snapshot, Totals, Voices, differences};

/// The duplicate window: a rating is a duplicate if its id occurs in this many preceding offsets,
/// see `docs/adr/0006`.
const WINDOW_OFFSETS: i64 = 131_072;

/// Key prefix of the malformed records.
pub(super) const MALFORMED: &str = "malformed-";

/// A record of the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) offset: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
}

/// The totals of one partition so far.
#[derive(Debug, Default)]
pub(super) struct Count {
    partition: i32,
    next_offset: i64,
    counted: u64,
    duplicates: u64,
    /// The offsets of records that are not ratings.
    pub(super) dead: Vec<i64>,
    voices: Voices,
    last: HashMap<Uuid, i64>,
}

impl Count {
    /// An empty count of a partition.
    pub(super) fn of(partition: i32) -> Self {
        Self { partition, ..Self::default() }
    }

    /// The number of records counted in any way.
    pub(super) fn records(&self) -> u64 {
        self.counted + self.duplicates + self.dead.len() as u64
    }

    fn rating(&mut self, offset: i64, id: Uuid, number: u64) {
        let before = self.last.insert(id, offset);
        if before.is_some_and(|before| offset - before <= WINDOW_OFFSETS) {
            self.duplicates += 1;
            return;
        }
        self.counted += 1;
        for voice in Ratings::voices(number) {
            self.voices.entry(voice.to_owned()).or_default()[Ratings::score(number)] += 1;
        }
    }

    /// Compares a snapshot with the count at the snapshot's offset.
    fn compare(&self, snapshot: &Snapshot) -> Result<(), String> {
        let dead = self.dead.len() as u64;
        let own = (self.counted, self.duplicates, dead);
        let its = (snapshot.counted, snapshot.duplicates, snapshot.dead);
        if snapshot.from_offset == 0 && own == its && self.voices == snapshot.voices {
            return Ok(());
        }
        let voices = differences(&self.voices, &snapshot.voices);
        Err(format!(
            "partition {} up to offset {}: a snapshot by {} has (counted, duplicates, dead) = \
             {its:?} from offset {}, the recount {own:?}{voices}",
            self.partition, snapshot.next_offset, snapshot.writer, snapshot.from_offset
        ))
    }
}

/// The recount of a whole log.
pub(super) struct Recount<'a> {
    ratings: Ratings,
    ledger: &'a Ledger,
    /// For each rating whether it is in the log, and whether it is at its acknowledged offset.
    found: Vec<(bool, bool)>,
    pub(super) counts: Vec<Count>,
    pub(super) violations: Violations,
}

impl<'a> Recount<'a> {
    /// An empty recount.
    pub(super) fn new(ratings: Ratings, ledger: &'a Ledger) -> Self {
        let found = vec![(false, false); ledger.sent()];
        Self { ratings, ledger, found, counts: Vec::new(), violations: Violations::default() }
    }

    /// Adds the next record of a partition. Snapshots up to this offset have been checked.
    pub(super) fn add(&mut self, count: &mut Count, entry: Entry<'_>) {
        let Entry { offset, key, value } = entry;
        if offset != count.next_offset {
            let (partition, next) = (count.partition, count.next_offset);
            let proof = format!("partition {partition}: offset {offset} comes after {next}");
            self.violations.add(Guarantee::NothingLost, proof);
        }
        count.next_offset = offset + 1;
        if key.is_some_and(|key| key.starts_with(MALFORMED.as_bytes())) {
            count.dead.push(offset);
            return;
        }
        let Some((id, number)) = self.identify(key, value) else {
            let value = String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
            let proof = format!("partition {}, offset {offset}: {value:.200}", count.partition);
            self.violations.add(Guarantee::NothingInvented, proof);
            return;
        };
        let here = RecordLocation { partition: count.partition, offset };
        let found = &mut self.found[number as usize];
        found.0 = true;
        found.1 |= self.ledger.state(number) == Some(State::Acknowledged(Some(here)));
        count.rating(offset, id, number);
    }

    /// The id and number of a record, if it is an unchanged rating of this campaign.
    fn identify(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> Option<(Uuid, u64)> {
        let value: Value = serde_json::from_slice(value?).ok()?;
        let id: Uuid = value["id"].as_str()?.parse().ok()?;
        let number = self.ratings.number(id)?;
        let [voice1, voice2] = Ratings::voices(number);
        let same = (number as usize) < self.found.len()
            && key? == id.to_string().as_bytes()
            && value["voice1"] == voice1
            && value["voice2"] == voice2
            && value["rating"] == Ratings::score(number);
        same.then_some((id, number))
    }

    /// Compares snapshots with the count, which has reached their offset.
    pub(super) fn check(&mut self, count: &Count, snapshots: &[Snapshot]) {
        for snapshot in snapshots {
            if let Err(proof) = count.compare(snapshot) {
                self.violations.add(Guarantee::SnapshotsAgree, proof);
            }
        }
    }

    /// Finishes a partition.
    pub(super) fn finish(&mut self, count: Count) {
        self.counts.push(Count { last: HashMap::new(), ..count });
    }

    /// Checks that acknowledged ratings are in the log at their acknowledged offsets. Called when
    /// all partitions are finished.
    pub(super) fn check_acknowledged(&mut self) {
        for (number, (found, in_place)) in (0..).zip(std::mem::take(&mut self.found)) {
            let Some(State::Acknowledged(location)) = self.ledger.state(number) else { continue };
            let id = self.ratings.id(number);
            let acknowledged = match location {
                None => "acknowledged without an offset".to_owned(),
                Some(RecordLocation { partition, offset }) => {
                    format!("acknowledged at partition {partition}, offset {offset}")
                }
            };
            if !found {
                let proof = format!("rating {id}: {acknowledged}, but not in the log");
                self.violations.add(Guarantee::NothingLost, proof);
            } else if !in_place && location.is_some() {
                let proof = format!("rating {id}: {acknowledged}, but elsewhere in the log");
                self.violations.add(Guarantee::RightOffset, proof);
            }
        }
    }

    /// The totals that every board must show at the end.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals { exact: true, ..Totals::default() };
        for count in &self.counts {
            totals.counted += count.counted;
            totals.duplicates += count.duplicates;
            totals.dead += count.dead.len() as u64;
            totals.position.insert(count.partition, count.next_offset);
            for (voice, tally) in &count.voices {
                let sum = totals.voices.entry(voice.clone()).or_default();
                sum.iter_mut().zip(tally).for_each(|(sum, more)| *sum += more);
            }
        }
        totals
    }

    /// The locations of all records that are not ratings.
    pub(super) fn dead(&self) -> Vec<RecordLocation> {
        let locations = |count: &Count| {
            let partition = count.partition;
            let at = move |offset: &i64| RecordLocation { partition, offset: *offset };
            count.dead.iter().map(at).collect()
        };
        self.counts.iter().flat_map(|count| -> Vec<RecordLocation> { locations(count) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const RATINGS: Ratings = Ratings::new(9);

    /// Ratings 0 to 3 are acknowledged at offsets 0 to 3 of partition 0, rating 4 was sent only.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        for offset in 0..4 {
            let number = ledger.next().unwrap();
            ledger.acknowledge(number, Some(RecordLocation { partition: 0, offset }));
        }
        ledger.next().unwrap();
        ledger
    }

    /// Recounts a log of partition 0 with these ratings.
    fn recount<'a>(ledger: &'a Ledger, numbers: &[u64]) -> Recount<'a> {
        let mut recount = Recount::new(RATINGS, ledger);
        let mut count = Count::of(0);
        for (offset, number) in (0..).zip(numbers) {
            let key = RATINGS.id(*number).to_string();
            let value = RATINGS.json(*number);
            let entry = Entry { offset, key: Some(key.as_bytes()), value: Some(value.as_bytes()) };
            recount.add(&mut count, entry);
        }
        recount.finish(count);
        recount.check_acknowledged();
        recount
    }

    #[track_caller]
    fn check(numbers: &[u64], broken: &[(Guarantee, usize)]) {
        let ledger = ledger();
        let recount = recount(&ledger, numbers);
        for (guarantee, times) in broken {
            assert_eq!(recount.violations.count(*guarantee), *times, "{}", recount.violations);
        }
        assert_eq!(recount.violations.is_empty(), broken.is_empty(), "{}", recount.violations);
    }

    #[test]
    fn complete_log_has_no_violations() {
        check(&[0, 1, 2, 3], &[]);
        check(&[0, 1, 2, 3, 4, 4, 1], &[]);
    }

    #[test]
    fn missing_and_misplaced_ratings_are_reported() {
        check(&[0, 1, 2], &[(Guarantee::NothingLost, 1)]);
        check(&[], &[(Guarantee::NothingLost, 4)]);
        check(&[0, 1, 3, 2], &[(Guarantee::RightOffset, 2)]);
        check(&[0, 1, 2, 3, 77], &[(Guarantee::NothingInvented, 1)]);
    }

    #[test]
    fn changed_rating_is_reported() {
        let ledger = ledger();
        let mut recount = Recount::new(RATINGS, &ledger);
        let key = RATINGS.id(0).to_string();
        let value = RATINGS.json(0).replace("\"rating\":0", "\"rating\":1");
        let entry = Entry { offset: 0, key: Some(key.as_bytes()), value: Some(value.as_bytes()) };
        recount.add(&mut Count::of(0), entry);
        assert_eq!(recount.violations.count(Guarantee::NothingInvented), 1);
    }

    #[test]
    fn duplicates_and_malformed_records_are_not_counted() {
        let ledger = ledger();
        let mut recount = Recount::new(RATINGS, &ledger);
        let mut count = Count::of(7);
        let (key, value) = (RATINGS.id(0).to_string(), RATINGS.json(0));
        for offset in 0..3 {
            let entry = Entry { offset, key: Some(key.as_bytes()), value: Some(value.as_bytes()) };
            recount.add(&mut count, entry);
        }
        recount.add(&mut count, Entry { offset: 3, key: Some(b"malformed-1"), value: None });
        // Beyond the duplicate window, so that it is a new rating.
        count.next_offset = 3 + WINDOW_OFFSETS;
        let offset = 3 + WINDOW_OFFSETS;
        recount.add(
            &mut count,
            Entry { offset, key: Some(key.as_bytes()), value: Some(value.as_bytes()) },
        );
        recount.finish(count);
        let totals = recount.totals();
        assert_eq!((totals.counted, totals.duplicates, totals.dead), (2, 2, 1));
        assert_eq!(totals.position, BTreeMap::from([(7, offset + 1)]));
        assert_eq!(totals.voices.values().flatten().sum::<u64>(), 4);
        assert_eq!(recount.dead(), [RecordLocation { partition: 7, offset: 3 }]);
    }

    #[test]
    fn snapshot_that_counts_one_too_many_is_reported() {
        let ledger = ledger();
        let mut recount = recount(&ledger, &[0, 1, 2, 3]);
        let count = recount.counts.pop().unwrap();
        let mut snapshot = Snapshot {
            from_offset: 0,
            next_offset: 4,
            counted: 4,
            duplicates: 0,
            dead: 0,
            voices: count.voices.clone(),
            writer: "consumer-0".to_owned(),
        };
        recount.check(&count, std::slice::from_ref(&snapshot));
        assert!(recount.violations.is_empty(), "{}", recount.violations);
        snapshot.voices.values_mut().next().unwrap()[0] += 1;
        recount.check(&count, &[snapshot]);
        assert_eq!(recount.violations.count(Guarantee::SnapshotsAgree), 1);
    }
}
