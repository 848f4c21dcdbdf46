//! Totals: what a board's API answers, and what a snapshot says, as an outsider reads them.
//!
//! Nothing of the product's own types is used, so that a mistake in them cannot hide.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::recovery::Position;

/// Hated, meh, liked, by voice. Voices without a rating are left out.
pub(super) type Voices = BTreeMap<String, [u64; 3]>;

/// What `GET /api/v1/totals` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) voices: Voices,
    pub(super) counted: u64,
    pub(super) duplicates: u64,
    pub(super) dead: u64,
    pub(super) exact: bool,
    pub(super) position: Position,
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
    pub(super) fn parse(json: &str) -> Option<Self> {
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
pub(super) struct Snapshot {
    pub(super) from_offset: i64,
    pub(super) next_offset: i64,
    pub(super) counted: u64,
    pub(super) duplicates: u64,
    pub(super) dead: u64,
    pub(super) voices: Voices,
    pub(super) writer: String,
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
