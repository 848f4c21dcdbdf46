//! The totals of a board's API and of a snapshot, parsed independently of the product.
//!
//! The product's own types are not used, so that their bugs cannot hide.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;

/// For each partition the next offset to count.
pub(crate) type Position = BTreeMap<i32, i64>;

/// Hated, meh and liked per voice. Voices without a rating are left out.
pub(crate) type Voices = BTreeMap<String, [u64; 3]>;

/// The response of `GET /api/v1/totals`.
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
struct Response {
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
    /// Parses a response; `None` if it is malformed.
    pub(crate) fn parse(json: &str) -> Option<Self> {
        let response: Response = serde_json::from_str(json).ok()?;
        let numbered = |(partition, at): (String, i64)| Some((partition.parse().ok()?, at));
        let position = response.position.into_iter().map(numbered).collect::<Option<Position>>()?;
        let rated = |row: Row| {
            let tally = [row.hated, row.meh, row.liked];
            (tally != [0; 3]).then_some((row.voice, tally))
        };
        Some(Self {
            voices: response.voices.into_iter().filter_map(rated).collect(),
            counted: response.counted,
            duplicates: response.duplicates,
            dead: response.dead,
            exact: response.exact,
            position,
        })
    }
}

/// A record of the totals topic.
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

/// Maximum number of voices named in a difference.
const DIFFERENCES_MAX: usize = 3;

/// Describes the voices that differ; empty if none does.
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
    fn response_of_the_board_is_parsed() {
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
