//! Totals: what a board's API answers, and what a snapshot says, as an outsider reads them.
//!
//! Nothing of the product's own types is used, so that a mistake in them cannot hide.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;

/// What a board says: for each partition the offset up to which it has counted.
pub(crate) type Position = BTreeMap<i32, i64>;

/// Hated, meh, liked, by voice. Voices without a rating are left out.
pub(crate) type Voices = BTreeMap<String, [u64; 3]>;

/// What `GET /api/v1/totals` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) voices: Voices,
    pub(crate) counted: u64,
    pub(crate) duplicates: u64,
    pub(crate) dead: u64,
    pub(crate) exact: bool,
    pub(crate) position: Position,
}

#[derive(Deserialize)]
struct Answer {
    voices: Vec<Row>,
    counted: u64,
    duplicates: u64,
    dead: u64,
    exact: bool,
    position: BTreeMap<String, i64>,
}

#[derive(Deserialize)]
struct Row {
    voice: String,
    hated: u64,
    meh: u64,
    liked: u64,
}

impl Totals {
    /// Reads the answer; none if it is no such answer.
    pub(crate) fn parse(json: &str) -> Option<Self> {
        let answer: Answer = serde_json::from_str(json).ok()?;
        let numbered = |(partition, at): (String, i64)| Some((partition.parse().ok()?, at));
        let position = answer.position.into_iter().map(numbered).collect::<Option<Position>>()?;
        let rated = |row: Row| {
            let tally = [row.hated, row.meh, row.liked];
            (tally != [0; 3]).then_some((row.voice, tally))
        };
        Some(Self {
            voices: answer.voices.into_iter().filter_map(rated).collect(),
            counted: answer.counted,
            duplicates: answer.duplicates,
            dead: answer.dead,
            exact: answer.exact,
            position,
        })
    }
}

/// A snapshot as it stands in the topic of the totals.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) from_offset: i64,
    pub(crate) next_offset: i64,
    pub(crate) counted: u64,
    pub(crate) duplicates: u64,
    pub(crate) dead: u64,
    pub(crate) voices: Voices,
    pub(crate) writer: String,
}

/// Voices that are named where they differ.
const DIFFERENCES_MAX: usize = 3;

/// Which voices differ, for people; empty if none does.
pub(crate) fn differences(log: &Voices, other: &Voices) -> String {
    let all: BTreeSet<&String> = log.keys().chain(other.keys()).collect();
    let (mut text, mut more) = (String::new(), 0);
    for voice in all {
        let of = |voices: &Voices| voices.get(voice).copied().unwrap_or_default();
        let (own, its) = (of(log), of(other));
        if own == its {
            continue;
        }
        more += 1;
        if more <= DIFFERENCES_MAX {
            let _ = write!(text, "; {voice}: {its:?} instead of {own:?}");
        }
    }
    if more > DIFFERENCES_MAX {
        let _ = write!(text, "; and {} more voices", more - DIFFERENCES_MAX);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_answer_of_the_board() {
        let totals = Totals::parse(
            r#"{"voices":[{"voice":"A","sum":4,"count":3,"hated":1,"meh":0,"liked":2},
               {"voice":"B","sum":0,"count":0,"hated":0,"meh":0,"liked":0}],
               "counted":2,"duplicates":1,"dead":3,"exact":true,"position":{"0":6,"10":0}}"#,
        );
        let expected = Totals {
            voices: BTreeMap::from([("A".to_owned(), [1, 0, 2])]),
            counted: 2,
            duplicates: 1,
            dead: 3,
            exact: true,
            position: BTreeMap::from([(0, 6), (10, 0)]),
        };
        assert_eq!(totals, Some(expected));
        assert_eq!(Totals::parse("{}"), None);
    }
}
