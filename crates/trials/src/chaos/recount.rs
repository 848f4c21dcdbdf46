//! Recount: what the log adds up to, counted again in the simplest way there is.
//!
//! ```text
//!  log, record by record ─► whose is it? ─► is it as it was sent, at the acknowledged place?
//!                               └► counted, a duplicate, or dead ─► equal to every snapshot on the way
//! ```
//!
//! It shares no code with the product: ids stand in a map with their last offset, voices in another.

use std::collections::HashMap;

use serde_json::Value;
use uuid::Uuid;

use super::violation::{Promise, Violations};
use crate::ratings::ledger::{Ledger, Place, State};
use crate::ratings::rating::Ratings;
use crate::ratings::totals::{Snapshot, Totals, Voices, differences};

/// A rating is a duplicate if its id stands in so many offsets before it; promised in `docs/adr/0006`.
const WINDOW_OFFSETS: i64 = 131_072;

/// What the keys of records begin with that were written to be no ratings.
pub(super) const MALFORMED: &str = "malformed-";

/// A record of the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) offset: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
}

/// What one partition adds up to so far.
#[derive(Debug, Default)]
pub(super) struct Count {
    partition: i32,
    next_offset: i64,
    counted: u64,
    duplicates: u64,
    /// The offsets of what is no rating.
    pub(super) dead: Vec<i64>,
    voices: Voices,
    last: HashMap<Uuid, i64>,
}

impl Count {
    /// Counts nothing of that partition.
    pub(super) fn of(partition: i32) -> Self {
        Self { partition, ..Self::default() }
    }

    /// Records that were counted in any way.
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

    /// Holds a snapshot against what this adds up to where the snapshot ends.
    fn hold_against(&self, snapshot: &Snapshot) -> Result<(), String> {
        let dead = self.dead.len() as u64;
        let own = (self.counted, self.duplicates, dead);
        let its = (snapshot.counted, snapshot.duplicates, snapshot.dead);
        if snapshot.from_offset == 0 && own == its && self.voices == snapshot.voices {
            return Ok(());
        }
        let voices = differences(&self.voices, &snapshot.voices);
        Err(format!(
            "partition {} up to offset {}: a snapshot of {} says (counted, duplicates, dead) = \
             {its:?} from offset {}, the log adds up to {own:?}{voices}",
            self.partition, snapshot.next_offset, snapshot.writer, snapshot.from_offset
        ))
    }
}

/// The recount of a whole log.
pub(super) struct Recount<'a> {
    ratings: Ratings,
    ledger: &'a Ledger,
    /// For each rating whether it is in the log, and whether it is at its acknowledged place.
    found: Vec<(bool, bool)>,
    pub(super) counts: Vec<Count>,
    pub(super) violations: Violations,
}

impl<'a> Recount<'a> {
    /// A recount that has seen nothing yet.
    pub(super) fn new(ratings: Ratings, ledger: &'a Ledger) -> Self {
        let found = vec![(false, false); ledger.sent()];
        Self { ratings, ledger, found, counts: Vec::new(), violations: Violations::default() }
    }

    /// Adds the next record of a partition, after the snapshots that end before it.
    pub(super) fn add(&mut self, count: &mut Count, entry: Entry<'_>) {
        let Entry { offset, key, value } = entry;
        if offset != count.next_offset {
            let (partition, next) = (count.partition, count.next_offset);
            let proof = format!("partition {partition}: offset {offset} comes after {next}");
            self.violations.add(Promise::NothingLost, proof);
        }
        count.next_offset = offset + 1;
        if key.is_some_and(|key| key.starts_with(MALFORMED.as_bytes())) {
            count.dead.push(offset);
            return;
        }
        let Some((id, number)) = self.recognise(key, value) else {
            let value = String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
            let proof = format!("partition {}, offset {offset}: {value:.200}", count.partition);
            self.violations.add(Promise::NothingInvented, proof);
            return;
        };
        let here = Place { partition: count.partition, offset };
        let found = &mut self.found[number as usize];
        found.0 = true;
        found.1 |= self.ledger.state(number) == Some(State::Acknowledged(Some(here)));
        count.rating(offset, id, number);
    }

    /// The rating that a record is, if it is one that was sent and is as it was sent.
    fn recognise(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> Option<(Uuid, u64)> {
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

    /// Holds snapshots against the counting, which has come to where they end.
    pub(super) fn check(&mut self, count: &Count, snapshots: &[Snapshot]) {
        for snapshot in snapshots {
            if let Err(proof) = count.hold_against(snapshot) {
                self.violations.add(Promise::SnapshotsAgree, proof);
            }
        }
    }

    /// Ends a partition.
    pub(super) fn end(&mut self, count: Count) {
        self.counts.push(Count { last: HashMap::new(), ..count });
    }

    /// Looks for acknowledged ratings that are not in the log, or elsewhere. To be called when all
    /// partitions have ended.
    pub(super) fn check_acknowledged(&mut self) {
        for (number, (found, in_place)) in (0..).zip(std::mem::take(&mut self.found)) {
            let Some(State::Acknowledged(place)) = self.ledger.state(number) else { continue };
            let id = self.ratings.id(number);
            let said = match place {
                None => "acknowledged without a place".to_owned(),
                Some(Place { partition, offset }) => {
                    format!("acknowledged at partition {partition}, offset {offset}")
                }
            };
            if !found {
                let proof = format!("rating {id}: {said}, is nowhere in the log");
                self.violations.add(Promise::NothingLost, proof);
            } else if !in_place && place.is_some() {
                let proof = format!("rating {id}: {said}, stands elsewhere in the log");
                self.violations.add(Promise::RightPlace, proof);
            }
        }
    }

    /// What a board must show in the end.
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

    /// Every place that holds no rating.
    pub(super) fn dead(&self) -> Vec<Place> {
        let places = |count: &Count| {
            let partition = count.partition;
            count.dead.iter().map(move |offset| Place { partition, offset: *offset }).collect()
        };
        self.counts.iter().flat_map(|count| -> Vec<Place> { places(count) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const RATINGS: Ratings = Ratings::new(9);

    /// Ratings 0 to 3 are acknowledged at offsets 0 to 3 of partition 0, rating 4 was only sent.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        for offset in 0..4 {
            let number = ledger.next().unwrap();
            ledger.acknowledge(number, Some(Place { partition: 0, offset }));
        }
        ledger.next().unwrap();
        ledger
    }

    /// Recounts a log of partition 0 that has these ratings.
    fn recount<'a>(ledger: &'a Ledger, numbers: &[u64]) -> Recount<'a> {
        let mut recount = Recount::new(RATINGS, ledger);
        let mut count = Count::of(0);
        for (offset, number) in (0..).zip(numbers) {
            let key = RATINGS.id(*number).to_string();
            let value = RATINGS.json(*number);
            let entry = Entry { offset, key: Some(key.as_bytes()), value: Some(value.as_bytes()) };
            recount.add(&mut count, entry);
        }
        recount.end(count);
        recount.check_acknowledged();
        recount
    }

    #[track_caller]
    fn check(numbers: &[u64], broken: &[(Promise, usize)]) {
        let ledger = ledger();
        let recount = recount(&ledger, numbers);
        for (promise, times) in broken {
            assert_eq!(recount.violations.count(*promise), *times, "{}", recount.violations);
        }
        assert_eq!(recount.violations.is_empty(), broken.is_empty(), "{}", recount.violations);
    }

    #[test]
    fn a_log_with_everything_in_its_place_is_well() {
        check(&[0, 1, 2, 3], &[]);
        check(&[0, 1, 2, 3, 4, 4, 1], &[]);
    }

    #[test]
    fn what_is_missing_or_elsewhere_is_found() {
        check(&[0, 1, 2], &[(Promise::NothingLost, 1)]);
        check(&[], &[(Promise::NothingLost, 4)]);
        check(&[0, 1, 3, 2], &[(Promise::RightPlace, 2)]);
        check(&[0, 1, 2, 3, 77], &[(Promise::NothingInvented, 1)]);
    }

    #[test]
    fn a_changed_rating_is_found() {
        let ledger = ledger();
        let mut recount = Recount::new(RATINGS, &ledger);
        let key = RATINGS.id(0).to_string();
        let value = RATINGS.json(0).replace("\"rating\":0", "\"rating\":1");
        let entry = Entry { offset: 0, key: Some(key.as_bytes()), value: Some(value.as_bytes()) };
        recount.add(&mut Count::of(0), entry);
        assert_eq!(recount.violations.count(Promise::NothingInvented), 1);
    }

    #[test]
    fn copies_and_malformed_records_do_not_count() {
        let ledger = ledger();
        let mut recount = Recount::new(RATINGS, &ledger);
        let mut count = Count::of(7);
        let (key, value) = (RATINGS.id(0).to_string(), RATINGS.json(0));
        for offset in 0..3 {
            let entry = Entry { offset, key: Some(key.as_bytes()), value: Some(value.as_bytes()) };
            recount.add(&mut count, entry);
        }
        recount.add(&mut count, Entry { offset: 3, key: Some(b"malformed-1"), value: None });
        // So far behind that it is a new rating.
        count.next_offset = 3 + WINDOW_OFFSETS;
        let offset = 3 + WINDOW_OFFSETS;
        recount.add(
            &mut count,
            Entry { offset, key: Some(key.as_bytes()), value: Some(value.as_bytes()) },
        );
        recount.end(count);
        let totals = recount.totals();
        assert_eq!((totals.counted, totals.duplicates, totals.dead), (2, 2, 1));
        assert_eq!(totals.position, BTreeMap::from([(7, offset + 1)]));
        assert_eq!(totals.voices.values().flatten().sum::<u64>(), 4);
        assert_eq!(recount.dead(), [Place { partition: 7, offset: 3 }]);
    }

    #[test]
    fn a_snapshot_that_counted_one_too_many_is_found() {
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
            writer: "somebody".to_owned(),
        };
        recount.check(&count, std::slice::from_ref(&snapshot));
        assert!(recount.violations.is_empty(), "{}", recount.violations);
        snapshot.voices.values_mut().next().unwrap()[0] += 1;
        recount.check(&count, &[snapshot]);
        assert_eq!(recount.violations.count(Promise::SnapshotsAgree), 1);
    }
}
