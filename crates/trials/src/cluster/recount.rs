//! An independent recount of the log since the scenario began, compared with the acknowledged
//! ratings and the board.
//!
//! Other clients may write ratings at the same time: these are counted, but only the scenario's own
//! ratings can be lost.

use std::collections::HashSet;
use std::fmt::Write as _;

use anyhow::Context as _;
use erboh::queue::{KafkaSettings, Reader};
use serde_json::Value;
use uuid::Uuid;

use super::shared::Shared;
use crate::ratings::ledger::{Ledger, RecordLocation, State};
use crate::ratings::rating::Ratings;
use crate::ratings::totals::{Position, Totals, differences};

/// The ratings topic.
const RATINGS: &str = "erboh-ratings";

/// The result of a recount.
#[derive(Debug, Default)]
pub(super) struct RecountResult {
    /// Records since the beginning.
    pub(super) records: u64,
    /// Acknowledged, but not in the log at the acknowledged offset.
    pub(super) lost: usize,
    /// Counted more than once.
    pub(super) double: usize,
    /// Differences between board and log; empty if there are none.
    pub(super) differs: String,
}

/// The high watermark of each partition.
pub(super) fn ends(brokers: &str, partitions: i32) -> anyhow::Result<Position> {
    let reader = Reader::for_ranges(&KafkaSettings::new(brokers), "e2e-ends")?;
    Ok(reader.ends(RATINGS, partitions)?)
}

/// Reads the log from the board's first position to its last.
pub(super) fn recount(
    brokers: &str,
    shared: &Shared,
    before: &Totals,
    after: &Totals,
) -> anyhow::Result<RecountResult> {
    let reader = Reader::for_ranges(&KafkaSettings::new(brokers), "e2e-recount")?;
    let ledger = shared.ledger();
    let mut sum = Sum::new(shared.ratings, &ledger, before.clone());
    for (partition, to) in &after.position {
        let from = before.position.get(partition).copied().unwrap_or(0);
        let mut ids = HashSet::new();
        reader
            .range(RATINGS, *partition, (from, *to), |record| {
                let location = RecordLocation { partition: *partition, offset: record.offset() };
                sum.add(location, record.value().unwrap_or_default(), &mut ids);
            })
            .with_context(|| format!("reading partition {partition} of {RATINGS}"))?;
        sum.totals.position.insert(*partition, *to);
    }
    Ok(sum.result(after))
}

/// The expected totals of the board, and the state of each rating of the scenario.
struct Sum<'a> {
    ratings: Ratings,
    ledger: &'a Ledger,
    totals: Totals,
    records: u64,
    /// For each rating how often it was counted, and whether it is at its acknowledged offset.
    seen: Vec<(u8, bool)>,
}

/// A rating parsed by the documented rules.
struct ParsedRating {
    id: Option<Uuid>,
    voices: [String; 2],
    score: usize,
}

impl<'a> Sum<'a> {
    fn new(ratings: Ratings, ledger: &'a Ledger, totals: Totals) -> Self {
        let seen = vec![(0, false); ledger.sent()];
        Self { ratings, ledger, totals, records: 0, seen }
    }

    /// Adds a record of a partition, whose ids so far are `ids`.
    fn add(&mut self, location: RecordLocation, value: &[u8], ids: &mut HashSet<Uuid>) {
        self.records += 1;
        let Some(ParsedRating { id, voices, score }) = parse(value) else {
            self.totals.dead += 1;
            return;
        };
        let number = id.and_then(|id| self.ratings.number(id)).map(|number| number as usize);
        let is_new = id.is_none_or(|id| ids.insert(id));
        if let Some((counted, in_place)) = number.and_then(|number| self.seen.get_mut(number)) {
            *counted += u8::from(is_new);
            let state = self.ledger.state(number.unwrap_or_default() as u64);
            *in_place |= state == Some(State::Acknowledged(Some(location)));
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

    fn result(self, board: &Totals) -> RecountResult {
        let acknowledged = |(number, _): &(u64, &(u8, bool))| {
            matches!(self.ledger.state(*number), Some(State::Acknowledged(_)))
        };
        let lost =
            (0..).zip(&self.seen).filter(acknowledged).filter(|(_, (_, in_place))| !in_place);
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
            differs.push_str("; it reports that it is not exact");
        }
        RecountResult {
            records: self.records,
            lost: lost.count(),
            double: self.seen.iter().filter(|(counted, _)| *counted > 1).count(),
            differs: differs.trim_start_matches("; ").to_owned(),
        }
    }
}

/// Parses the JSON form or the old `a|b|c|n` form; `None` if it is not a rating.
fn parse(value: &[u8]) -> Option<ParsedRating> {
    let text = std::str::from_utf8(value).ok()?;
    if let Ok(Value::Object(object)) = serde_json::from_str(text) {
        let word = |name: &str| object.get(name)?.as_str().map(str::to_owned);
        let score = object.get("rating")?.as_u64().filter(|score| *score <= 2)?;
        word("battle")?;
        return Some(ParsedRating {
            id: Some(word("id")?.parse().ok()?),
            voices: [word("voice1")?, word("voice2")?],
            score: score as usize,
        });
    }
    let [_, one, other, score] = text.split('|').collect::<Vec<_>>().try_into().ok()?;
    let score: usize = score.trim().parse().ok().filter(|score| *score <= 2)?;
    Some(ParsedRating { id: None, voices: [one.to_owned(), other.to_owned()], score })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: Ratings = Ratings::new(9);

    /// Ratings 0 to 2 are acknowledged at offsets 0 to 2 of partition 0; 3 is open.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        for offset in 0..3 {
            let number = ledger.next().unwrap();
            ledger.acknowledge(number, Some(RecordLocation { partition: 0, offset }));
        }
        ledger.next().unwrap();
        ledger
    }

    /// Recounts partitions with these records against a correct board.
    #[track_caller]
    fn check(partitions: &[&[String]], lost: usize, double: usize) -> Totals {
        let ledger = ledger();
        let mut sum = Sum::new(SCENARIO, &ledger, Totals { exact: true, ..Totals::default() });
        for (records, partition) in partitions.iter().zip(0..) {
            let mut ids = HashSet::new();
            for (record, offset) in records.iter().zip(0..) {
                sum.add(RecordLocation { partition, offset }, record.as_bytes(), &mut ids);
            }
        }
        let totals = sum.totals.clone();
        let result = sum.result(&totals);
        assert_eq!((result.lost, result.double, result.differs.as_str()), (lost, double, ""));
        totals
    }

    fn json(number: u64) -> String {
        SCENARIO.json(number)
    }

    #[test]
    fn acknowledged_rating_must_be_at_its_offset() {
        check(&[&[json(0), json(1), json(2)]], 0, 0);
        check(&[&[json(0), json(1)]], 1, 0);
        check(&[&[json(0), json(2), json(1)]], 2, 0);
        check(&[&[json(0), json(1), json(2), json(3), json(3)]], 0, 0);
    }

    #[test]
    fn rating_counted_in_two_partitions_is_double() {
        check(&[&[json(0), json(1), json(2)], &[json(1)]], 0, 1);
    }

    #[test]
    fn ratings_of_other_clients_are_counted() {
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
    fn board_with_other_totals_is_reported() {
        let ledger = ledger();
        let before = Totals { counted: 4, exact: true, ..Totals::default() };
        let mut sum = Sum::new(SCENARIO, &ledger, before.clone());
        let location = RecordLocation { partition: 0, offset: 0 };
        sum.add(location, json(0).as_bytes(), &mut HashSet::new());
        let result = sum.result(&before);
        assert!(result.differs.contains("is (4, 0, 0) instead of (5, 0, 0)"), "{}", result.differs);
        assert_eq!(result.lost, 2);
    }
}
