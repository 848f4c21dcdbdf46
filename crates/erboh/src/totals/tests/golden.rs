//! Golden vectors: a fixed log and the exact bytes it adds up to.
//!
//! If one of these fails, the meaning of a log has changed: totals that were written before would no longer be those
//! that are counted now. That needs a new `FOLD`, and new vectors next to these.

use super::*;
use crate::totals::FOLD;

#[test]
fn the_version_has_these_vectors() {
    assert_eq!(FOLD, 1);
}

fn check(totals: &PartitionTotals, expected: &str) {
    let bytes = snapshot(totals).to_json();
    assert_eq!(String::from_utf8(bytes).unwrap(), expected.replace('\n', ""));
}

#[test]
fn a_log_with_everything_in_it() {
    let mut totals = PartitionTotals::start(3, 5);
    check(
        &totals,
        r#"{"fold":1,"epoch":0,"log":"","partition":3,"from_offset":5,"next_offset":5,"counted":0,"duplicates":0,
"dead":0,"gaps":[],"last":null,"window_from":5,"voices":{},"writer":"test","generation":1}"#,
    );

    let mut log = log(
        5,
        &[
            &rating(1, "Big Bird", "Macho Man", 2),
            &rating(2, "Macho Man", "Äpfel \\\"&\\\" 😀", 0),
            &rating(1, "Big Bird", "Macho Man", 2),
            "Moses vs Santa Claus|Big Bird|Macho Man|1",
            "Moses vs Santa Claus|Big Bird|Macho Man|1",
            "not a rating",
            &rating(2, "Other", "Content", 1),
            "gone",
        ],
    );
    log[7].value = None;
    log[7].key = None;
    apply(&mut totals, &log);
    totals.advance_to(20);
    check(
        &totals,
        r#"{"fold":1,"epoch":0,"log":"32836d028426fee5","partition":3,"from_offset":5,"next_offset":20,"counted":4,
"duplicates":2,"dead":2,"gaps":[],"last":{"offset":12,"timestamp":1760000000012,"hash":"4c91453cd04ecded"},"window_from":5,
"voices":{"Big Bird":[0,2,1],"Macho Man":[1,2,1],"Äpfel \"&\" 😀":[1,0,0]},"writer":"test","generation":1}"#,
    );

    totals.gap(20, 30);
    apply(&mut totals, &super::log(30, &[&rating(1, "Big Bird", "Macho Man", 2)]));
    check(
        &totals,
        r#"{"fold":1,"epoch":0,"log":"32836d028426fee5","partition":3,"from_offset":5,"next_offset":31,"counted":5,
"duplicates":2,"dead":2,"gaps":[[20,30]],"last":{"offset":30,"timestamp":1760000000030,"hash":"c28fd908fe0f8047"},
"window_from":30,"voices":{"Big Bird":[0,2,2],"Macho Man":[1,2,2],"Äpfel \"&\" 😀":[1,0,0]},"writer":"test",
"generation":1}"#,
    );
}

/// The number of offsets in which a second copy is a duplicate is a part of the meaning too.
#[test]
fn the_window_is_131_072_offsets() {
    for (offset, counted, duplicates) in [(131_072, 1, 1), (131_073, 2, 0)] {
        let mut totals = PartitionTotals::start(0, 0);
        apply(&mut totals, &log(0, &[&rating(1, "a", "b", 1)]));
        apply(&mut totals, &log(offset, &[&rating(1, "a", "b", 1)]));
        let snapshot = snapshot(&totals);
        assert_eq!((snapshot.counted, snapshot.duplicates), (counted, duplicates), "{offset}");
    }
}
