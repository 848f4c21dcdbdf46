//! At the limits: names of every kind, the last voice that finds room, the last offset of the window.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::model::{WINDOW, end, take_over};
use super::*;
use crate::limits::{NAME_CHARS_MAX, VOICES_MAX, WINDOW_OFFSETS};
use crate::rating::Voice;
use crate::totals::Window;

/// Names that are easily damaged or confused on the way through JSON and maps.
fn name() -> impl Strategy<Value = String> {
    let chosen = [
        "\"",
        "\\",
        "\\\"",
        "/",
        "</script>",
        "null",
        "0",
        "-",
        "{}",
        "[0,0,0]",
        "é",
        "e\u{301}",
        "É",
        "\u{212b}",
        "Å",
        "\u{2028}",
        "\u{feff}",
        "\u{200b}",
        "\u{202e}abc",
        "👩‍🚀",
        "\u{1f468}",
        "\u{fffd}",
        "\u{10ffff}",
        "a b",
        "a\u{a0}b",
        "\\u0041",
    ];
    let long = Just("𝕏".repeat(NAME_CHARS_MAX));
    prop_oneof![
        4 => proptest::sample::select(chosen.to_vec()).prop_map(str::to_owned),
        4 => ".{1,8}",
        1 => "\\PC{100}",
        1 => long,
    ]
}

fn named(number: usize, voice1: &str, voice2: &str, score: usize) -> String {
    serde_json::json!({
        "id": id(number as u8), "battle": "t", "voice1": voice1, "voice2": voice2, "rating": score,
    })
    .to_string()
}

proptest! {
    /// Whatever a name is made of, it comes back from the bytes as it went in, and in the same place.
    #[test]
    fn names_of_every_kind_survive(names in proptest::collection::vec((name(), name()), 1..30)) {
        let values: Vec<String> =
            names.iter().enumerate().map(|(n, (one, other))| named(n, one, other, n % 3)).collect();
        let log = log(0, &values.iter().map(String::as_str).collect::<Vec<_>>());
        let mut totals = PartitionTotals::start_with(Window::new(WINDOW, 0), 0, 0);
        let outcomes = apply(&mut totals, &log);
        let found = snapshot(&totals);
        let bytes = found.to_json();
        // From bytes to totals and back nothing changes.
        let read = Snapshot::from_json(&bytes).unwrap();
        let again = PartitionTotals::resume_with(Window::new(WINDOW, 0), read);
        prop_assert_eq!(again.snapshot("test", 1).to_json(), bytes.clone());
        // Any reader of JSON finds the names, each once, in the order of their characters.
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let voices = json["voices"].as_object().unwrap();
        let mut expected = std::collections::BTreeMap::<String, [u64; 3]>::new();
        for (n, ((one, other), outcome)) in names.iter().zip(&outcomes).enumerate() {
            let valid = Voice::parse(one).and_then(|one| Ok((one, Voice::parse(other)?)));
            let counts = valid.as_ref().is_ok_and(|(one, other)| one != other);
            prop_assert_eq!(*outcome == Outcome::Counted, counts, "{:?} {:?}", one, other);
            if counts {
                for name in [one, other] {
                    expected.entry(name.trim().to_owned()).or_default()[n % 3] += 1;
                }
            }
        }
        prop_assert_eq!(voices.len(), expected.len());
        for (name, tally) in &expected {
            prop_assert_eq!(&voices[name], &serde_json::json!(tally));
        }
        let text = String::from_utf8(bytes).unwrap();
        let quoted = |name: &String| format!("{}:", serde_json::to_string(name).unwrap());
        let places: Vec<_> = expected.keys().map(|name| text.find(&quoted(name))).collect();
        prop_assert!(places.iter().all(Option::is_some), "{}", text);
    }
}

/// Ratings of so many voices that there is room for three more.
fn almost_full() -> &'static [Entry] {
    static LOG: OnceLock<Vec<Entry>> = OnceLock::new();
    LOG.get_or_init(|| {
        let mut values: Vec<String> =
            (0..VOICES_MAX - 4).step_by(2).map(|n| format!("t|v{n}|v{}|1", n + 1)).collect();
        values.push("t|v0|last|1".to_owned());
        log(0, &values.iter().map(String::as_str).collect::<Vec<_>>())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Which voices found room depends on the log alone: an owner that was there when the limit was reached and one that
    /// came before or after refuse the same ratings, and have the same ids in their windows.
    #[test]
    fn the_last_voices_are_the_same_for_every_owner(
        tail in proptest::collection::vec((0..6_u8, 0..7_usize, 0..7_usize), 1..40),
        splits in proptest::collection::vec(0..45_usize, 1..4),
    ) {
        let names = ["v1", "v2", "n1", "n2", "n3", "n4", "n5"];
        let values: Vec<String> =
            tail.iter().map(|(id, one, other)| rating(*id, names[*one], names[*other], 1)).collect();
        let full = almost_full();
        let mut all = full.to_vec();
        all.extend(log(full.len() as i64, &values.iter().map(String::as_str).collect::<Vec<_>>()));

        let mut one_pass = PartitionTotals::start_with(Window::new(WINDOW, 0), 0, 0);
        let outcomes = apply(&mut one_pass, &all);
        let room = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Dead(_)));
        prop_assert!(one_pass.snapshot("", 0).voices.len() <= VOICES_MAX);
        prop_assert!(!room || one_pass.snapshot("", 0).voices.len() >= VOICES_MAX - 1 || tail.iter().any(|(_, a, b)| a == b));

        let mut owner = PartitionTotals::start_with(Window::new(WINDOW, 0), 0, 0);
        let mut splits = splits.clone();
        splits.sort_unstable();
        for split in splits {
            let upto = (full.len() - 5 + split).min(all.len());
            apply(&mut owner, &all[..upto]);
            owner = take_over(owner.snapshot("test", 1), &all, 0);
        }
        let rest = owner.next_offset() as usize;
        prop_assert_eq!(apply(&mut owner, &all[rest..]), &outcomes[rest..]);
        prop_assert_eq!(owner.next_offset(), end(0, &all));
        prop_assert!(owner.snapshot("", 0).to_json() == one_pass.snapshot("", 0).to_json());
    }
}

/// The window that a new owner fills reaches exactly as far as that of one who was there all the time.
#[test]
fn the_window_reaches_as_far_after_a_take_over() {
    let first = log(7, &[&rating(1, "a", "b", 1)]);
    for (distance, expected) in [
        (WINDOW_OFFSETS - 1, Outcome::Duplicate),
        (WINDOW_OFFSETS, Outcome::Duplicate),
        (WINDOW_OFFSETS + 1, Outcome::Counted),
    ] {
        let second = log(7 + distance, &[&rating(1, "a", "b", 1)]);
        for position in [8, 7 + WINDOW_OFFSETS - 1, 7 + WINDOW_OFFSETS, 7 + distance] {
            let mut before = PartitionTotals::start(0, 0);
            apply(&mut before, &first);
            // Only control records stand in between.
            before.advance_to(position.min(7 + distance));
            let mut after = PartitionTotals::resume(snapshot(&before));
            let from = after.begin_warm(0);
            assert_eq!(from, (after.next_offset() - WINDOW_OFFSETS).max(0));
            let there = first.iter().filter(|entry| entry.offset >= from);
            there.for_each(|entry| after.warm(entry.record()));
            for mut totals in [before, after] {
                let outcome = apply(&mut totals, &second).remove(0);
                assert_eq!(outcome, expected, "distance {distance}, taken over at {position}");
                assert_eq!(snapshot(&totals).window_from, 0);
            }
        }
    }
}
