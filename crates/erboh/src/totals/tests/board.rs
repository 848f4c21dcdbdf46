//! The board: what it shows, that it never goes back, and that the order of arrival does not matter.

use std::cmp::Reverse;

use proptest::prelude::*;

use super::*;
use crate::totals::board::{Board, Merged, Row};

fn totals(partition: i32, values: &[&str]) -> Snapshot {
    let mut totals = PartitionTotals::start(partition, 0);
    apply(&mut totals, &log(0, values));
    snapshot(&totals)
}

#[test]
fn an_empty_board_lists_the_catalogue() {
    let board = Board::new();
    let names: Vec<_> = board.rows().iter().map(|row| (row.voice.as_str(), row.sum)).collect();
    assert_eq!(names.len(), 10);
    assert_eq!((names[0], names[9]), (("Big Bird", 0), ("Stephen Hawking", 0)));
    assert!(board.exact());
}

#[test]
fn the_answer_adds_up_all_partitions() {
    let mut board = Board::new();
    let one = ["t|Macho Man|Big Bird|2", "t|Macho Man|New|2", "x"];
    assert_eq!(board.merge(totals(0, &one)), Merged::Newer);
    assert_eq!(board.merge(totals(5, &["t|Big Bird|New|0", "t|New|Macho Man|1"])), Merged::Newer);
    let answer = serde_json::to_value(board.totals(true)).unwrap();
    assert_eq!(
        serde_json::json!({
            "counted": 4, "duplicates": 0, "dead": 1, "exact": true, "position": {"0": 3, "5": 2},
            "voices": answer["voices"].as_array().unwrap()[..3],
        }),
        serde_json::json!({
            "counted": answer["counted"], "duplicates": answer["duplicates"], "dead": answer["dead"],
            "exact": answer["exact"], "position": answer["position"],
            "voices": [
                {"voice": "Macho Man", "sum": 5, "count": 3, "hated": 0, "meh": 1, "liked": 2},
                {"voice": "New", "sum": 3, "count": 3, "hated": 1, "meh": 1, "liked": 1},
                {"voice": "Big Bird", "sum": 2, "count": 2, "hated": 1, "meh": 0, "liked": 1},
            ],
        })
    );
    assert_eq!(board.rows().len(), 11);
    assert!(board.has_passed(&[(0, 3), (5, 1), (7, 0)].into()));
    assert!(!board.has_passed(&[(0, 3), (5, 3)].into()));
    assert!(!board.has_passed(&[(7, 1)].into()));
}

#[test]
fn what_merge_found_is_said() {
    let mut board = Board::new();
    let old = totals(0, &["t|a|b|2"]);
    let new = totals(0, &["t|a|b|2", "t|a|b|1"]);
    assert_eq!(board.merge(new.clone()), Merged::Newer);
    assert_eq!(board.merge(old.clone()), Merged::Older);
    assert_eq!(board.merge(Snapshot { writer: "other".into(), ..new.clone() }), Merged::Known);
    let mut wrong = new.clone();
    (wrong.counted, wrong.duplicates) = (1, 1);
    wrong.voices = old.voices.clone();
    assert_eq!(board.merge(wrong), Merged::Contradiction);
    // Who knows less of the window may count a copy that others dropped: that is no contradiction.
    let mut cut = new.clone();
    (cut.window_from, cut.counted, cut.dead) = (1, 1, 1);
    cut.voices = old.voices.clone();
    assert_eq!(board.merge(cut), Merged::Older);
    // A log that was left behind does not come back, however far it had come.
    assert_eq!(board.merge(Snapshot { epoch: 1, ..old.clone() }), Merged::Newer);
    assert_eq!(board.merge(new), Merged::Older);
    assert_eq!(board.position(), [(0, 1)].into());
}

#[test]
fn a_gap_anywhere_makes_the_board_inexact() {
    let mut board = Board::new();
    board.merge(totals(0, &["t|a|b|2"]));
    let mut with_gap = PartitionTotals::start(1, 0);
    with_gap.gap(0, 4);
    board.merge(snapshot(&with_gap));
    assert!(!board.exact());
}

#[test]
fn absurd_sums_do_not_overflow() {
    let mut board = Board::new();
    for partition in 0..3 {
        let text = r#"{"fold":1,"log":"a","partition":P,"from_offset":0,"next_offset":9223372036854775807,
            "counted":9223372036854775807,"duplicates":0,"dead":0,"gaps":[],
            "last":{"offset":1,"timestamp":1,"hash":"0000000000000000"},"window_from":0,
            "voices":{"a":[0,0,9223372036854775807],"b":[0,0,9223372036854775807]},"writer":"","generation":0}"#;
        let text = text.replace('P', &partition.to_string());
        board.merge(Snapshot::from_json(text.as_bytes()).unwrap());
    }
    assert_eq!((board.rows()[0].sum, board.counted()), (u64::MAX, u64::MAX));
}

/// Snapshots of three partitions as different writers with different pasts might leave them.
fn snapshots() -> impl Strategy<Value = Vec<Snapshot>> {
    let one = (0..3_i32, 0..4_usize, 0..2_u32, 0..2_i64, 0..3_i32, any::<bool>());
    let one = one.prop_map(|(partition, length, epoch, window_from, generation, other)| {
        let value = if other { "t|a|b|1" } else { "t|c|b|2" };
        let snapshot = totals(partition, &vec![value; length]);
        let window_from = window_from.min(snapshot.next_offset);
        let writer = format!("writer {generation}");
        Snapshot { epoch, window_from, writer, generation, ..snapshot }
    });
    proptest::collection::vec(one, 0..12)
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter(
        (ordered, shuffled) in snapshots().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        let (mut one, mut other) = (Board::new(), Board::new());
        for snapshot in ordered.iter().chain(&ordered) {
            one.merge(snapshot.clone());
        }
        for snapshot in shuffled {
            other.merge(snapshot);
        }
        prop_assert_eq!(one.snapshots(), other.snapshots());
        prop_assert_eq!(one.rows(), other.rows());
    }

    #[test]
    fn no_partition_goes_back(all in snapshots()) {
        let mut board = Board::new();
        for snapshot in all {
            let partition = snapshot.partition;
            let before = board.snapshots().get(&partition).map(|of| (of.epoch, of.next_offset));
            let merged = board.merge(snapshot);
            let after = board.snapshots().get(&partition).map(|of| (of.epoch, of.next_offset));
            prop_assert!(after >= before);
            prop_assert!(after == before || !matches!(merged, Merged::Older | Merged::Known));
            let order = |row: &Row| (Reverse(row.sum), row.voice.clone());
            let sorted = board.rows().is_sorted_by_key(order);
            prop_assert!(sorted);
        }
    }
}
