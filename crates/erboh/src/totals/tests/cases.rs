//! Hand-made cases: one subtle point each.

use super::*;
use crate::limits::VOICES_MAX;
use crate::totals::{Fingerprint, SnapshotError, Window};

/// The outcome of each value in one log, with a window of four offsets.
fn check(values: &[&str], expected: &str) -> PartitionTotals {
    let mut totals = PartitionTotals::start_with(Window::new(4, 0), 0, 0);
    let letter = |outcome| match outcome {
        Outcome::Counted => 'c',
        Outcome::Duplicate => 'd',
        Outcome::Dead(_) => 'x',
        Outcome::Past => '-',
    };
    let found: String = apply(&mut totals, &log(0, values)).into_iter().map(letter).collect();
    assert_eq!(found, expected, "{values:?}");
    totals
}

#[test]
fn a_second_copy_is_a_duplicate_for_as_long_as_the_window() {
    let (a, b) = (rating(1, "a", "b", 1), rating(2, "a", "b", 1));
    check(&[&a, &a], "cd");
    check(&[&a, &b, &a, &b], "ccdd");
    check(&[&a, "x", "x", "x", &a], "cxxxd");
    check(&[&a, "x", "x", "x", "x", &a], "cxxxxc");
    // Each copy is measured from the one before.
    check(&[&a, "x", "x", &a, "x", "x", &a], "cxxdxxd");
    // The same id with other content is a copy too: the sender says that it is the same rating.
    check(&[&a, &rating(1, "c", "d", 2)], "cd");
    // What is dead has no id that counts.
    check(&[&rating(1, "a", "a", 1), &a], "xc");
    // The old text form has no id.
    check(&["t|a|b|1", "t|a|b|1"], "cc");
}

#[test]
fn the_key_does_not_matter() {
    let mut log =
        log(0, &[&rating(1, "a", "b", 1), &rating(2, "a", "b", 1), &rating(2, "a", "b", 1)]);
    log[0].key = Some(id(2).into_bytes());
    log[2].key = Some(id(3).into_bytes());
    let mut totals = PartitionTotals::start(0, 0);
    let expected = [Outcome::Counted, Outcome::Counted, Outcome::Duplicate];
    assert_eq!(apply(&mut totals, &log), expected);
}

#[test]
fn a_record_before_the_position_changes_nothing() {
    let values = [rating(1, "a", "b", 1), "x".to_owned(), rating(2, "a", "b", 1)];
    let log = log(0, &values.each_ref().map(String::as_str));
    let mut totals = PartitionTotals::start(0, 0);
    apply(&mut totals, &log);
    let before = snapshot(&totals);
    assert_eq!(apply(&mut totals, &log), [Outcome::Past, Outcome::Past, Outcome::Past]);
    totals.advance_to(2);
    totals.gap(0, 3);
    assert_eq!(snapshot(&totals), before);
}

#[test]
fn the_log_is_named_after_its_first_record_whatever_it_is() {
    let one = log(7, &["not a rating"]);
    let Entry { offset, timestamp_ms, key, value } = one[0].clone();
    let print = Fingerprint::of(offset, timestamp_ms, key.as_deref(), value.as_deref());

    let mut totals = PartitionTotals::start(0, 7);
    assert_eq!((totals.log(), totals.last()), ("", None));
    apply(&mut totals, &one);
    assert_eq!(totals.log(), print.hash.to_string());
    assert_eq!(totals.last(), Some(print));
    apply(&mut totals, &log(8, &["another"]));
    assert_eq!(totals.log(), print.hash.to_string());
    assert_ne!(totals.last(), Some(print));

    // The same bytes at another time are another log.
    let mut later = one;
    later[0].timestamp_ms += 1;
    let mut totals = PartitionTotals::start(0, 7);
    apply(&mut totals, &later);
    assert_ne!(totals.log(), print.hash.to_string());
}

#[test]
fn a_rating_with_a_voice_too_many_is_dead_and_the_known_ones_go_on() {
    let mut totals = PartitionTotals::start(0, 0);
    let mut offset = 0;
    let mut next = |totals: &mut PartitionTotals, value: &str| {
        offset += 1;
        apply(totals, &log(offset, &[value])).remove(0)
    };
    let pairs = (1..VOICES_MAX).step_by(2);
    for n in pairs.take(VOICES_MAX / 2 - 1) {
        assert_eq!(next(&mut totals, &format!("t|{n}|{}|1", n + 1)), Outcome::Counted);
    }
    assert_eq!(next(&mut totals, "t|1|next to last|1"), Outcome::Counted);
    let two_more = next(&mut totals, "t|one more|and another|1");
    assert!(matches!(two_more, Outcome::Dead(ref why) if why.field == "voice2"), "{two_more:?}");
    assert_eq!(next(&mut totals, "t|1|last|1"), Outcome::Counted);
    assert_eq!(snapshot(&totals).voices.len(), VOICES_MAX);

    let one_more = next(&mut totals, &rating(1, "one more", "1", 1));
    assert!(matches!(one_more, Outcome::Dead(ref why) if why.field == "voice1"), "{one_more:?}");
    let one_more = next(&mut totals, &rating(2, "1", "one more", 1));
    assert!(matches!(one_more, Outcome::Dead(ref why) if why.field == "voice2"), "{one_more:?}");
    assert_eq!(next(&mut totals, "t|last|next to last|1"), Outcome::Counted);
    // Its id is in the window all the same, so that the window can be re-read without the totals of that time.
    assert_eq!(next(&mut totals, &rating(1, "1", "2", 1)), Outcome::Duplicate);
    assert_eq!(snapshot(&totals).voices.len(), VOICES_MAX);
}

#[test]
fn the_largest_snapshot_keeps_its_limit() {
    let mut totals = PartitionTotals::start(0, 0);
    let name = |n: usize| format!("{n:05}{}", "😀".repeat(95));
    for n in (0..VOICES_MAX).step_by(2) {
        apply(&mut totals, &log(n as i64, &[&format!("t|{}|{}|1", name(n), name(n + 1))]));
    }
    assert!(snapshot(&totals).to_json().len() < crate::limits::SNAPSHOT_BYTES_MAX);
}

#[test]
fn a_window_that_retention_cut_says_so() {
    let mut totals = PartitionTotals::start_with(Window::new(4, 0), 0, 0);
    apply(&mut totals, &log(0, &["x"; 10]));
    let start = snapshot(&totals);
    let check = |log_start: i64, from: i64, window_from: i64| {
        let mut totals = PartitionTotals::resume_with(Window::new(4, 10), start.clone());
        assert_eq!(totals.begin_warm(log_start), from, "log start {log_start}");
        assert_eq!(snapshot(&totals).window_from, window_from, "log start {log_start}");
        // The log start moved on before the reading got there.
        assert_eq!(totals.begin_warm(9), 9);
        assert_eq!(snapshot(&totals).window_from, 9);
    };
    check(0, 6, 0);
    check(6, 6, 0);
    check(7, 7, 7);

    let mut totals = PartitionTotals::resume_with(Window::new(4, 10), start);
    assert_eq!(
        totals.begin_warm(12),
        10,
        "all of it is gone, and two records that were not counted"
    );
    totals.gap(10, 12);
    assert_eq!((snapshot(&totals).window_from, totals.next_offset()), (12, 12));
}

/// The first copy of a rating was taken by retention. Whoever takes over before the second copy counts that; whoever
/// takes over behind it knows that it was one. Both then know the window from the same offset.
#[test]
fn owners_whose_windows_were_cut_at_different_places_do_not_contradict_each_other() {
    let (a, x) = (rating(1, "a", "b", 1), "x".to_owned());
    let log = log(0, &[&a, &x, &x, &a, &x]);
    let after = |first: usize| {
        let mut totals = PartitionTotals::start_with(Window::new(4, 0), 0, 0);
        apply(&mut totals, &log[..first]);
        let mut totals =
            PartitionTotals::resume_with(Window::new(4, first as i64), snapshot(&totals));
        assert_eq!(totals.begin_warm(1), 1);
        log[1..first].iter().for_each(|entry| totals.warm(entry.record()));
        apply(&mut totals, &log[first..]);
        snapshot(&totals)
    };
    let (before, behind) = (after(3), after(4));
    assert_eq!((before.window_from, before.counted, before.duplicates), (1, 2, 0));
    assert_eq!((behind.window_from, behind.counted, behind.duplicates), (1, 1, 1));
    assert!(!before.contradicts(&behind) && !before.same_totals(&behind));
    // Who took over at the same place is still held to the same totals.
    let mut wrong = after(4);
    (wrong.duplicates, wrong.dead) = (0, 4);
    assert!(wrong.contradicts(&behind));
}

#[test]
fn a_superseding_fold_has_a_higher_epoch() {
    let mut totals = PartitionTotals::start(0, 0);
    apply(&mut totals, &log(0, &["t|a|b|1"; 3]));
    let old = snapshot(&totals);
    let mut totals = PartitionTotals::start(0, 0);
    totals.supersede(&old);
    assert_eq!(snapshot(&totals).epoch, 1);
    let newest = snapshot(&totals);
    let mut totals = PartitionTotals::resume(old.clone());
    totals.supersede(&newest);
    assert_eq!(snapshot(&totals).epoch, 2);
    assert!(snapshot(&totals).same_totals(&old));
}

#[test]
fn a_snapshot_that_does_not_add_up_is_refused() {
    let mut totals = PartitionTotals::start(0, 2);
    apply(&mut totals, &log(2, &["t|a|b|1", "x", "t|a|b|2"]));
    totals.gap(5, 8);
    let good = String::from_utf8(snapshot(&totals).to_json()).unwrap();
    let check = |from: &str, to: &str| {
        assert!(good.contains(from), "{good} has no {from}");
        Snapshot::from_json(good.replacen(from, to, 1).as_bytes())
    };
    assert!(check("\"epoch\":0,", "").is_ok(), "an epoch of 0 need not be said");
    assert!(check("{", "{\"new field\":[],").is_ok(), "later versions may say more");
    for (from, to) in [
        ("\"partition\":0", "\"partition\":-1"),
        ("\"from_offset\":2", "\"from_offset\":-2"),
        ("\"from_offset\":2", "\"from_offset\":9"),
        ("\"from_offset\":2", "\"from_offset\":4"),
        ("\"next_offset\":8", "\"next_offset\":7"),
        ("\"counted\":2", "\"counted\":3"),
        ("\"counted\":2", "\"counted\":18446744073709551615"),
        ("\"counted\":2", "\"counted\":-1"),
        ("\"dead\":1", "\"dead\":2"),
        ("[[5,8]]", "[[8,5]]"),
        ("[[5,8]]", "[[5,7],[6,8]]"),
        ("[[5,8]]", "[[5,9]]"),
        ("[[5,8]]", "[[1,8]]"),
        ("\"offset\":4", "\"offset\":9"),
        ("\"window_from\":8", "\"window_from\":9"),
        ("\"window_from\":8", "\"window_from\":1"),
        ("\"a\":[0,1,1]", "\"a\":[0,1,2]"),
        ("\"a\":[0,1,1]", "\"a\":[18446744073709551615,1,2]"),
        ("\"a\":[0,1,1]", "\"\":[0,1,1]"),
        ("\"a\":[0,1,1]", "\"b\":[0,1,1]"),
        ("\"last\":{", "\"last\":null,\"other\":{"),
        ("\"fold\":1,", ""),
        ("{", "["),
    ] {
        let found = check(from, to);
        assert!(matches!(found, Err(SnapshotError::Malformed(_))), "{to}: {found:?}");
    }
    assert_eq!(check("\"fold\":1", "\"fold\":2"), Err(SnapshotError::OtherFold(2)));
    let other = Snapshot::from_json(br#"{"fold":2}"#).unwrap_err().to_string();
    assert!(other.contains("upgrade"), "{other}");
}
