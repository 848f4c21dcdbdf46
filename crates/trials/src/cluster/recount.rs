//! Recount: what the log adds up to since the story began, counted in the simplest way there is,
//! and held against what was acknowledged and what the board shows.
//!
//! Others may rate meanwhile: their ratings count, but only the story's own can be missed.

use std::collections::HashSet;
use std::fmt::Write as _;

use anyhow::Context as _;
use erboh::queue::{KafkaSettings, Reader};
use serde_json::Value;
use uuid::Uuid;

use super::books::Books;
use crate::ratings::ledger::{Ledger, Place, State};
use crate::ratings::rating::Ratings;
use crate::ratings::totals::{Position, Totals, differences};

/// The topic of the ratings.
const RATINGS: &str = "erboh-ratings";

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Records since the beginning.
    pub(super) records: u64,
    /// Acknowledged and not in the log, or not where it was said to be.
    pub(super) lost: usize,
    /// Counted more than once.
    pub(super) double: usize,
    /// Where the board differs from the log; empty if it does not.
    pub(super) differs: String,
}

/// Where the log of each of these partitions ends.
pub(super) fn ends(brokers: &str, partitions: i32) -> anyhow::Result<Position> {
    let reader = Reader::for_ranges(&KafkaSettings::new(brokers), "e2e-ends")?;
    Ok(reader.ends(RATINGS, partitions)?)
}

/// Reads the log from where the board was to where it is.
pub(super) fn recount(
    brokers: &str,
    books: &Books,
    before: &Totals,
    after: &Totals,
) -> anyhow::Result<Found> {
    let reader = Reader::for_ranges(&KafkaSettings::new(brokers), "e2e-recount")?;
    let ledger = books.ledger();
    let mut sum = Sum::new(books.ratings, &ledger, before.clone());
    for (partition, to) in &after.position {
        let from = before.position.get(partition).copied().unwrap_or(0);
        let mut ids = HashSet::new();
        reader
            .range(RATINGS, *partition, (from, *to), |record| {
                let place = Place { partition: *partition, offset: record.offset() };
                sum.add(place, record.value().unwrap_or_default(), &mut ids);
            })
            .with_context(|| format!("reading partition {partition} of {RATINGS}"))?;
        sum.totals.position.insert(*partition, *to);
    }
    Ok(sum.found(after))
}

/// What the board must show, and what became of each rating of the story.
struct Sum<'a> {
    ratings: Ratings,
    ledger: &'a Ledger,
    totals: Totals,
    records: u64,
    /// For each rating how often it was counted, and whether it is where it was said to be.
    seen: Vec<(u8, bool)>,
}

/// A record as the documents say that it is read.
struct Read {
    id: Option<Uuid>,
    voices: [String; 2],
    score: usize,
}

impl<'a> Sum<'a> {
    fn new(ratings: Ratings, ledger: &'a Ledger, totals: Totals) -> Self {
        let seen = vec![(0, false); ledger.sent()];
        Self { ratings, ledger, totals, records: 0, seen }
    }

    /// Adds a record of a partition of which these ids were seen.
    fn add(&mut self, place: Place, value: &[u8], ids: &mut HashSet<Uuid>) {
        self.records += 1;
        let Some(Read { id, voices, score }) = read(value) else {
            self.totals.dead += 1;
            return;
        };
        let number = id.and_then(|id| self.ratings.number(id)).map(|number| number as usize);
        let is_new = id.is_none_or(|id| ids.insert(id));
        if let Some((counted, in_place)) = number.and_then(|number| self.seen.get_mut(number)) {
            *counted += u8::from(is_new);
            let said = self.ledger.state(number.unwrap_or_default() as u64);
            *in_place |= said == Some(State::Acknowledged(Some(place)));
        }
        if !is_new {
            self.totals.duplicates += 1;
            return;
        }
        self.totals.counted += 1;
        for voice in voices {
            self.totals.voices.entry(voice).or_default()[score] += 1;
        }
    }

    fn found(self, board: &Totals) -> Found {
        let acknowledged = |(number, _): &(u64, &(u8, bool))| {
            matches!(self.ledger.state(*number), Some(State::Acknowledged(_)))
        };
        let lost = (0..).zip(&self.seen).filter(acknowledged).filter(|(_, (_, there))| !there);
        let numbers = |of: &Totals| (of.counted, of.duplicates, of.dead);
        let mut differs = differences(&self.totals.voices, &board.voices);
        if numbers(board) != numbers(&self.totals) {
            let _ = write!(
                differs,
                "; (counted, duplicates, dead) is {:?} instead of {:?}",
                numbers(board),
                numbers(&self.totals)
            );
        }
        if !board.exact {
            differs.push_str("; it says that it is not exact");
        }
        Found {
            records: self.records,
            lost: lost.count(),
            double: self.seen.iter().filter(|(counted, _)| *counted > 1).count(),
            differs: differs.trim_start_matches("; ").to_owned(),
        }
    }
}

/// The JSON form, or the old one with `|`; none if it is no rating.
fn read(value: &[u8]) -> Option<Read> {
    let text = std::str::from_utf8(value).ok()?;
    if let Ok(Value::Object(object)) = serde_json::from_str(text) {
        let word = |name: &str| object.get(name)?.as_str().map(str::to_owned);
        let score = object.get("rating")?.as_u64().filter(|score| *score <= 2)?;
        word("battle")?;
        return Some(Read {
            id: Some(word("id")?.parse().ok()?),
            voices: [word("voice1")?, word("voice2")?],
            score: score as usize,
        });
    }
    let [_, one, other, score] = text.split('|').collect::<Vec<_>>().try_into().ok()?;
    let score: usize = score.trim().parse().ok().filter(|score| *score <= 2)?;
    Some(Read { id: None, voices: [one.to_owned(), other.to_owned()], score })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORY: Ratings = Ratings::new(9);

    /// Ratings 0 to 2 are acknowledged at offsets 0 to 2 of partition 0; 3 is open.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        for offset in 0..3 {
            let number = ledger.next().unwrap();
            ledger.acknowledge(number, Some(Place { partition: 0, offset }));
        }
        ledger.next().unwrap();
        ledger
    }

    /// Recounts these partitions, of which each holds these records, against a board that is right.
    #[track_caller]
    fn check(partitions: &[&[String]], lost: usize, double: usize) -> Totals {
        let ledger = ledger();
        let mut sum = Sum::new(STORY, &ledger, Totals { exact: true, ..Totals::default() });
        for (records, partition) in partitions.iter().zip(0..) {
            let mut ids = HashSet::new();
            for (record, offset) in records.iter().zip(0..) {
                sum.add(Place { partition, offset }, record.as_bytes(), &mut ids);
            }
        }
        let totals = sum.totals.clone();
        let found = sum.found(&totals);
        assert_eq!((found.lost, found.double, found.differs.as_str()), (lost, double, ""));
        totals
    }

    fn json(number: u64) -> String {
        STORY.json(number)
    }

    #[test]
    fn what_was_acknowledged_must_be_in_its_place() {
        check(&[&[json(0), json(1), json(2)]], 0, 0);
        check(&[&[json(0), json(1)]], 1, 0);
        check(&[&[json(0), json(2), json(1)]], 2, 0);
        check(&[&[json(0), json(1), json(2), json(3), json(3)]], 0, 0);
    }

    #[test]
    fn a_rating_that_counts_in_two_partitions_is_double() {
        check(&[&[json(0), json(1), json(2)], &[json(1)]], 0, 1);
    }

    #[test]
    fn ratings_of_others_count_too() {
        let other = Ratings::new(7).json(5);
        let old = "battle|A|B|2".to_owned();
        let bad =
            [String::new(), "a|b|c|3".to_owned(), other.replace("\"rating\":0", "\"rating\":9")];
        let records = [&[json(0), json(1), json(2), other.clone(), other, old][..], &bad].concat();
        let totals = check(&[&records], 0, 0);
        assert_eq!((totals.counted, totals.duplicates, totals.dead), (5, 1, 3));
        assert_eq!(totals.voices["A"], [0, 0, 1]);
    }

    #[test]
    fn a_board_that_counts_otherwise_is_found() {
        let ledger = ledger();
        let before = Totals { counted: 4, exact: true, ..Totals::default() };
        let mut sum = Sum::new(STORY, &ledger, before.clone());
        sum.add(Place { partition: 0, offset: 0 }, json(0).as_bytes(), &mut HashSet::new());
        let found = sum.found(&before);
        assert!(found.differs.contains("is (4, 0, 0) instead of (5, 0, 0)"), "{}", found.differs);
        assert_eq!(found.lost, 2);
    }
}
