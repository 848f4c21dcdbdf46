//! The recount and the counting agree, whatever stands in the log.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::*;
use crate::rating::RatingView;
use crate::totals::{Outcome, PartitionTotals, Record};

/// Both count the same log; after every record they must agree.
fn check(log: &[(i64, Option<Vec<u8>>)]) -> Result<(), TestCaseError> {
    let mut counting = PartitionTotals::start(0, 0);
    let mut recount = Recount::new();
    for (offset, value) in log {
        let value = value.as_deref();
        let before = numbers(&recount);
        let outcome = counting.apply(Record { offset: *offset, timestamp_ms: 0, key: None, value });
        recount.add(*offset, value);
        let after = numbers(&recount);
        let found: [i64; 3] = std::array::from_fn(|number| after[number] - before[number]);
        let expected = match outcome {
            Outcome::Counted => [1, 0, 0],
            Outcome::Duplicate => [0, 1, 0],
            Outcome::Dead(_) | Outcome::Past => [0, 0, 1],
        };
        let text = String::from_utf8_lossy(value.unwrap_or_default());
        prop_assert_eq!(found, expected, "{}", text);
    }
    let snapshot = counting.snapshot("", 0).to_json();
    let stated: Totals = serde_json::from_slice(&snapshot).unwrap();
    prop_assert_eq!(&stated, recount.totals());
    Ok(())
}

fn numbers(recount: &Recount) -> [i64; 3] {
    let Totals { counted, duplicates, dead, .. } = *recount.totals();
    [counted, duplicates, dead]
}

const ID: &str = "0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f";

/// Pieces that JSON is made of, and some that it is not made of.
fn scraps() -> impl Strategy<Value = String> {
    let scraps = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "null",
        "true",
        "0",
        "1",
        "2",
        "3",
        "-0",
        "-1",
        "1.0",
        "1e0",
        "2E-1",
        "1e999",
        "00",
        "99999999999999999999",
        " ",
        "\t",
        "\u{c}",
        "\u{a0}",
        "\u{feff}",
        "\u{1}",
        "\u{7f}",
        "|",
        "a",
        "ä",
        "😀",
        "\\u0069d",
        "\\ud800",
        "\\ud83d\\ude00",
        "\\n",
        "\"id\":",
        "\"voice1\":",
        "\"voice2\":",
        "\"rating\":",
        "\"battle\":",
        "\"rater\":",
        "\"Voice1\":",
        "\"other\":",
        ID,
        "\"Big Bird\"",
        "\"Macho Man\"",
    ];
    let long = prop_oneof![
        6 => proptest::sample::select(scraps.to_vec()).prop_map(str::to_owned),
        1 => (95..105_usize).prop_map(|count| "ß".repeat(count)),
        1 => (100..140_usize).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth)),
    ];
    proptest::collection::vec(long, 0..4).prop_map(|scraps| scraps.concat())
}

/// What stands in a field: mostly what belongs there.
fn field(fitting: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![
        60 => proptest::sample::select(fitting).prop_map(str::to_owned),
        1 => scraps(),
        1 => scraps().prop_map(|text| format!("\"{text}\"")),
    ]
}

/// An object with the right fields in any order, some missing, some twice, some unknown.
fn objects() -> impl Strategy<Value = String> {
    const IDS: &[&str] = &[
        "\"0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e01\"",
        "\"0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e02\"",
        "\"0198C5A0-1B2C-7D3E-8F40-5A6B7C8D9E02\"",
        "\"0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e\\u00303\"",
    ];
    const NAMES: &[&str] =
        &["\"a\"", "\"b\"", "\" b \"", "\"\\u0062\"", "\"Big Bird\"", "\"a\\\"ä\""];
    let wanted = (
        field(IDS),
        field(NAMES),
        field(NAMES),
        field(NAMES),
        field(&["0", "1", "2"]),
        proptest::option::of(field(&["\"Ann\"", "\" \"", "null"])),
        proptest::option::of(field(&[
            "0",
            "[1,{}]",
            "\"x\"",
            "1e999",
            "\"\\ud800\"",
            "{\"id\":[]}",
        ])),
    );
    let order = Just((0..7_usize).collect::<Vec<_>>()).prop_shuffle();
    let missing = proptest::option::weighted(0.1, 0..7_usize);
    let twice = proptest::option::weighted(0.05, 0..7_usize);
    (wanted, order, missing, twice).prop_map(
        |((id, battle, one, two, rating, rater, other), mut order, missing, twice)| {
            order.retain(|field| Some(*field) != missing);
            order.extend(twice);
            let fields = order.into_iter().filter_map(|field| {
                Some(match field {
                    0 => format!("\"id\":{id}"),
                    1 => format!("\"battle\":{battle}"),
                    2 => format!("\"voice1\":{one}"),
                    3 => format!("\"voice2\" : {two}"),
                    4 => format!("\"rating\":{rating}"),
                    5 => format!("\"rater\":{}", rater.as_ref()?),
                    _ => format!("\"other\":{}", other.as_ref()?),
                })
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        },
    )
}

fn values() -> impl Strategy<Value = Option<Vec<u8>>> {
    let old = (scraps(), field(&["a", "b", " b"]), field(&["a", "b"]), field(&["0", " 1", "2\n"]))
        .prop_map(|(battle, one, two, score)| format!("t{battle}|{one}|{two}|{score}"));
    let padded =
        (scraps(), objects(), scraps()).prop_map(|(before, of, after)| before + &of + &after);
    let damaged =
        (objects(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(of, at, byte)| {
            let mut bytes = of.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        });
    let text = |of: String| Some(of.into_bytes());
    prop_oneof![
        20 => objects().prop_map(text),
        4 => old.prop_map(text),
        2 => padded.prop_map(text),
        2 => damaged.prop_map(Some),
        1 => scraps().prop_map(text),
        1 => proptest::collection::vec(any::<u8>(), 0..60).prop_map(Some),
        1 => Just(None),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Leaps in the offsets bring copies close to the far end of the window, on both sides.
    #[test]
    fn recount_and_counting_agree(
        steps in proptest::collection::vec(
            (prop_oneof![40 => Just(1_i64), 4 => 2_i64..9, 1 => WINDOW_OFFSETS - 4..WINDOW_OFFSETS + 3], values()),
            0..120,
        ),
    ) {
        let mut offset = -1;
        let log: Vec<_> = steps
            .into_iter()
            .map(|(ahead, value)| {
                offset += ahead;
                (offset, value)
            })
            .collect();
        check(&log)?;
    }
}

#[test]
fn the_generator_makes_ratings_of_every_kind() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut fine, mut bad) = (0, 0);
    for _ in 0..2000 {
        let value = values().new_tree(&mut runner).unwrap().current();
        match value.map(|value: Vec<u8>| RatingView::parse(&value).is_ok()) {
            Some(true) => fine += 1,
            _ => bad += 1,
        }
    }
    assert!(fine > 500 && bad > 500, "{fine} ratings, {bad} that are none");
}

#[test]
fn limits_are_the_same_to_the_last_byte() {
    let json = |battle: &str, filler: usize| {
        let filler = " ".repeat(filler);
        format!(
            r#"{{"id":"{ID}","battle":"{battle}","voice1":"a","voice2":"b","rating":2}}{filler}"#
        )
    };
    let max = crate::limits::RATING_BYTES_MAX;
    let whole = max - json("b", 0).len();
    let deep = "[".repeat(4000) + &"]".repeat(4000);
    let unknown = json("b", 0).replace("{\"id\"", &format!("{{\"x\":{deep},\"id\""));
    let surrogate = json("b", 0).replace("{\"id\"", r#"{"x":"\ud800","id""#);
    let nil = json("b", 0).replace(ID, "00000000-0000-0000-0000-000000000000");
    let values = [
        json("b", whole),
        json("b", whole + 1),
        json(&"ä".repeat(100), 0),
        json(&"ä".repeat(101), 0),
        json("\u{2003}b\u{a0}", 0),
        json("\u{85}", 0),
        json("a\u{85}b", 0),
        json("\u{200b}", 0),
        unknown,
        surrogate,
        nil,
        json("b", 0).replace(ID, &ID.replace('-', "_")),
        json("b", 0).replace(ID, &ID.replace('-', "")),
        json("b", 0).replace("\"a\"", "\" b\""),
    ];
    let log: Vec<_> =
        (0..).zip(values).map(|(offset, value)| (offset, Some(value.into_bytes()))).collect();
    check(&log).unwrap();
}

#[test]
fn the_last_voices_that_fit_are_the_same() {
    let rating = |one: usize, two: usize| Some(format!("b|v{one}|v{two}|1").into_bytes());
    let full = (0..VOICES_MAX / 2 - 1).map(|pair| rating(2 * pair, 2 * pair + 1));
    // One known and one new voice, then two new ones that no longer fit, then the last place.
    let edge =
        [rating(0, VOICES_MAX), rating(VOICES_MAX + 1, VOICES_MAX + 2), rating(1, VOICES_MAX + 3)];
    let over = [rating(2, VOICES_MAX + 4), rating(2, 3)];
    let log: Vec<_> = (0..).zip(full.chain(edge).chain(over)).collect();
    check(&log).unwrap();
}

#[test]
fn what_is_taken_away_and_added_again_is_the_same() {
    let mut recount = Recount::with_window(4);
    let value = |id: u8| {
        let id = format!("0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e{id:02x}");
        format!(r#"{{"id":"{id}","battle":"b","voice1":"a","voice2":"b","rating":2}}"#)
    };
    for (offset, id) in [(0, 1), (4, 1), (9, 1), (10, 2)] {
        recount.add(offset, Some(value(id).as_bytes()));
    }
    let totals = recount.totals().clone();
    assert_eq!(
        (totals.counted, totals.duplicates),
        (3, 1),
        "9 is too far from 4, and 4 is not from 0"
    );
    let other =
        Totals { dead: 4, voices: [("z".to_owned(), [1, 0, 0])].into(), ..Totals::default() };
    assert_eq!(totals.minus(&other).plus(&other), totals);
    assert!(totals.minus(&totals).is_zero());
}
