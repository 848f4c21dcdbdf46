//! What one partition does with records, ends and reports, without a broker.

use super::*;

/// A partition that is counted from offset 0, with `records` records so far.
fn live(records: i64) -> Live {
    let decision = Decision::Start { supersedes: None, slot: Some(0) };
    let found = Found { decision, log_start: 0, log_end: 0, totals_end: 0, committed: None };
    let (mut live, read_from) = Live::begin(0, found).unwrap();
    assert_eq!(read_from, 0);
    take(&mut live, 0..records);
    live
}

fn take(live: &mut Live, offsets: std::ops::Range<i64>) {
    for offset in offsets {
        let value = Some(b"A vs B|A|B|1".as_slice());
        assert!(live.take(
            "ratings",
            Record { offset, timestamp_ms: 0, key: None, value },
            Vec::new
        ));
    }
}

fn progress(live: &mut Live, reached_end: i64) {
    live.progress(Position { reached_end, log_end: reached_end });
}

#[test]
fn control_records_move_the_position_once_the_queue_is_empty() {
    let mut live = live(3);
    live.end();
    progress(&mut live, 5);
    assert_eq!(live.totals.next_offset(), 3, "records may still be in the queue");
    live.drained();
    assert_eq!(live.totals.next_offset(), 5);
}

#[test]
fn an_end_before_the_last_counted_record_proves_nothing_until_the_log_says_so() {
    let mut live = live(3);
    assert_eq!(live.interrupted(), 2);
    live.end();
    progress(&mut live, 2);
    live.drained();
    assert_eq!(live.doubt(Instant::now(), 3, Instant::now()), None, "a new leader that was behind");
    assert!(live.doubt(Instant::now(), 2, Instant::now()).is_some(), "it was cut off");
    take(&mut live, 2..4);
    assert_eq!(live.totals.next_offset(), 4);
}

#[test]
fn an_end_does_not_count_while_records_are_under_way() {
    let mut live = live(3);
    progress(&mut live, 9);
    live.drained();
    assert_eq!(live.totals.next_offset(), 3, "no end was delivered");
    live.end();
    progress(&mut live, 9);
    take(&mut live, 3..4);
    live.drained();
    assert_eq!(live.totals.next_offset(), 4, "the end was further on");
}

#[test]
fn an_end_that_was_thrown_away_by_a_pause_does_not_count() {
    let mut live = live(8);
    live.end();
    let settings = EngineSettings { snapshot_distance: 1, ..EngineSettings::default() };
    assert_eq!(live.flow(&settings), Flow::Pause);
    progress(&mut live, 20);
    live.drained();
    assert_eq!(live.totals.next_offset(), 8);
}

#[test]
fn control_records_behind_a_busy_queue_are_no_stall() {
    let mut live = live(3);
    live.end();
    progress(&mut live, 5);
    let start = Instant::now();
    let doubt = |live: &mut Live, end| {
        [0, 1, 3].into_iter().find_map(|after| {
            let at = start + super::super::limits::STALL * after;
            live.doubt(at, end, at)
        })
    };
    assert_eq!(doubt(&mut live, 5), None);
    assert!(doubt(&mut live, 6).is_some(), "there is more behind that end");
}

#[test]
fn a_record_that_comes_twice_is_seen_once() {
    let mut live = live(3);
    take(&mut live, 0..4);
    assert_eq!(live.snapshot("test").counted, 4);
}

#[test]
fn only_an_older_snapshot_of_somebody_else_is_answered() {
    let mut live = live(3);
    let other = live.snapshot("other");
    let wants = |live: &Live| live.snapshots.is_behind(0);
    assert!(!live.is_overtaken_by(0, &other) && !wants(&live));
    let older = Snapshot { next_offset: 2, ..other.clone() };
    assert!(!live.is_overtaken_by(0, &older) && wants(&live));
    let later = Snapshot { next_offset: 4, ..other };
    assert!(live.is_overtaken_by(0, &later));
}

#[test]
fn what_stood_there_at_the_take_over_does_not_overtake() {
    let mut live = live(3);
    live.totals_end = 10;
    let later = Snapshot { next_offset: 4, ..live.snapshot("other") };
    assert!(!live.is_overtaken_by(9, &later));
    assert!(live.is_overtaken_by(10, &later));
    live.repeat_snapshot();
    assert!(live.is_overtaken_by(0, &later), "in a topic that was made anew");
}

#[test]
fn another_record_in_the_place_of_the_last_one_is_another_log() {
    let before = live(3);
    let snapshot = Box::new(before.snapshot("before"));
    let decision = Decision::Resume {
        snapshot,
        slot: Some(0),
        supersedes: None,
        gap: false,
        unwritten: false,
    };
    let found = Found { decision, log_start: 0, log_end: 0, totals_end: 0, committed: None };
    let (mut live, read_from) = Live::begin(0, found).unwrap();
    assert_eq!(read_from, 0);
    take(&mut live, 0..2);
    assert!(!live.is_warm());
    let value = Some(b"A vs B|A|B|2".as_slice());
    assert!(!live.take(
        "ratings",
        Record { offset: 2, timestamp_ms: 0, key: None, value },
        Vec::new
    ));
}
