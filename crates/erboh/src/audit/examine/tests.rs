//! What an examination says of statements that hold, that do not, and of which nobody can tell.

use super::super::report::Verdict;
use super::*;
use crate::totals::PartitionTotals;

/// A record of each kind, by its offset: mostly ratings, one of them twice.
fn value(offset: i64) -> String {
    let id = if offset == 9 { 1 } else { offset };
    format!(
        r#"{{"id":"0198c5a0-0000-7000-8000-{:012}","battle":"b","voice1":"a","voice2":"b","rating":{}}}"#,
        id + 1,
        offset % 3
    )
}

/// Gives each record of a log that has these offsets.
fn each(offsets: &[i64], mut take: impl FnMut(Record<'_>)) {
    for offset in offsets {
        let value = value(*offset);
        let value = Some(value.as_bytes());
        take(Record { offset: *offset, timestamp_ms: 1000 + offset, key: None, value });
    }
}

/// What the counting states at the offset `at`, after it read everything from the log's start.
fn stated(offsets: &[i64], at: i64) -> Snapshot {
    let mut totals = PartitionTotals::start(0, 0);
    each(offsets, |record| {
        if record.offset < at {
            totals.apply(record);
        }
    });
    totals.advance_to(at);
    serde_json::from_slice(&totals.snapshot("test", 0).to_json()).unwrap()
}

/// The examination of these statements on a log that begins at `start`.
fn examine(offsets: &[i64], start: i64, snapshots: Vec<Snapshot>) -> PartitionReport {
    let statement = |snapshot| Statement { source: "x".to_owned(), served: false, snapshot };
    let statements = snapshots.into_iter().map(statement).collect();
    let end = offsets.last().map_or(start, |last| last + 1);
    let mut examination = Examination::new(0, [start, end], statements, &BTreeMap::new());
    let end = examination.end();
    each(offsets, |record| {
        if (start..end).contains(&record.offset) {
            examination.take(record);
        }
    });
    examination.finish().report
}

const TEN: [i64; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

#[track_caller]
fn check(report: &PartitionReport, verdict: Verdict, agrees: &[Option<bool>], reasons: &[&str]) {
    let found: Vec<_> = report.statements.iter().map(|of| of.agrees).collect();
    assert_eq!((report.verdict, &found[..]), (verdict, agrees), "{report:#?}");
    assert_eq!(report.reasons.len(), reasons.len(), "{report:#?}");
    for (found, expected) in report.reasons.iter().zip(reasons) {
        assert!(found.contains(expected), "{expected} is missing in {found}");
    }
}

#[test]
fn true_statements_are_exact_at_every_offset() {
    let all = (0..=10).map(|at| stated(&TEN, at)).collect();
    let report = examine(&TEN, 0, all);
    check(&report, Verdict::Exact, &[Some(true); 11], &[]);
    assert_eq!((report.ratings, report.duplicates, report.offsets), (9, 1, [0, 10]));
    // A log that ends with control records, and one in which nothing stands.
    check(&examine(&[0, 1, 5], 0, vec![stated(&[0, 1, 5], 4)]), Verdict::Exact, &[Some(true)], &[]);
    check(&examine(&[], 7, vec![]), Verdict::Exact, &[], &[]);
}

#[test]
fn the_offsets_in_which_a_difference_arose_are_narrowed() {
    let mut wrong = [stated(&TEN, 5), stated(&TEN, 8)];
    wrong[0].totals.duplicates = 1;
    wrong[1].totals.voices.get_mut("a").unwrap()[2] = 7;
    let statements = [&[stated(&TEN, 2), stated(&TEN, 4)][..], &wrong[..], &[stated(&TEN, 10)]];
    let report = examine(&TEN, 0, statements.concat());
    let agrees = [Some(true), Some(true), Some(false), Some(false), Some(true)];
    check(&report, Verdict::NotExact, &agrees, &[]);
    let [first, second] = &report.findings[..] else { panic!("{report:#?}") };
    assert_eq!((first.offsets, second.offsets), ([4, 5], [4, 8]));
    let difference = |what: &str, stated: &[i64], counted: &[i64]| Difference {
        what: what.to_owned(),
        stated: stated.to_vec(),
        counted: counted.to_vec(),
    };
    assert_eq!(first.differences, [difference("duplicates", &[1], &[0])]);
    assert_eq!(second.differences, [difference("a", &[3, 3, 7], &[3, 3, 2])]);
}

#[test]
fn a_snapshot_that_skips_the_start_of_the_log_is_not_exact() {
    let mut totals = PartitionTotals::start(0, 3);
    each(&TEN[3..], |record| drop(totals.apply(record)));
    let skips: Snapshot = serde_json::from_slice(&totals.snapshot("", 0).to_json()).unwrap();
    check(&examine(&TEN, 0, vec![skips]), Verdict::NotExact, &[Some(false)], &[]);
}

#[test]
fn what_is_about_another_log_is_no_difference() {
    let other = |change: fn(&mut Snapshot), reason: &str| {
        let mut snapshot = stated(&TEN, 6);
        // It would be a difference, if it were about this log.
        snapshot.totals.counted += 1;
        change(&mut snapshot);
        check(&examine(&TEN, 0, vec![snapshot]), Verdict::Unknown, &[None], &[reason]);
    };
    other(|of| of.log = "00".to_owned(), "the record at offset 0 is not the first one");
    other(|of| of.last.as_mut().unwrap().timestamp += 1, "the record at offset 5 is not the one");
    other(|of| of.next_offset = 11, "the log ends at offset 10, but 11 were counted");
    other(|of| of.fold = 2, "version 2 of the fold");
    other(|of| of.partition = 1, "it is about partition 1");
    other(|of| of.window_from = 3, "only from offset 3 on");
}

#[test]
fn superseded_statements_are_not_compared() {
    let old = Snapshot { log: "another".to_owned(), next_offset: 90, ..stated(&TEN, 4) };
    let new = Snapshot { epoch: 1, ..stated(&TEN, 8) };
    let report = examine(&TEN, 0, vec![old, new]);
    check(&report, Verdict::Exact, &[Some(true), None], &[]);
    assert_eq!(report.offsets, [0, 10], "read as far as anybody speaks of");
}

const GONE: &str = "offsets 0..5 are no longer in the log";

#[test]
fn behind_what_retention_took_the_growth_is_verified() {
    // The copy at offset 9 is of a rating that is gone; up to there nothing depends on that.
    let report = examine(&TEN, 5, vec![stated(&TEN, 3), stated(&TEN, 6), stated(&TEN, 9)]);
    let reasons = ["the log begins at offset 5", GONE];
    check(&report, Verdict::Unknown, &[None, Some(true), Some(true)], &reasons);
    assert!(report.reasons[1].contains("from offset 6 to 9 is exact"), "{report:#?}");

    let report = examine(&TEN, 5, vec![stated(&TEN, 6), stated(&TEN, 10)]);
    let copies = "1 rating(s) up to offset 10 may be copies of ratings that are gone";
    check(&report, Verdict::Unknown, &[Some(true), None], &[copies, GONE]);

    let mut wrong = stated(&TEN, 9);
    wrong.totals.counted += 1;
    let report = examine(&TEN, 5, vec![stated(&TEN, 6), wrong]);
    check(&report, Verdict::NotExact, &[Some(true), Some(false)], &[GONE]);
    assert_eq!(report.findings[0].offsets, [6, 9]);
}

#[test]
fn less_than_the_remaining_log_has_is_a_difference_whatever_is_gone() {
    // From here on the window is known.
    let far = WINDOW_OFFSETS + 5;
    let offsets = [4, 5, far, far + 1, far + 2];
    let mut short = stated(&offsets, far + 3);
    short.totals.voices.insert("a".to_owned(), [1, 0, 1]);
    let report = examine(&offsets, 5, vec![short]);
    check(&report, Verdict::NotExact, &[Some(false)], &["no two statements"]);
    assert_eq!(report.findings[0].differences[0].what, "a");
    let report = examine(&offsets, 5, vec![stated(&offsets, far + 3)]);
    check(&report, Verdict::Unknown, &[Some(true)], &["no two statements"]);
}

#[test]
fn gaps_are_named() {
    let mut totals = PartitionTotals::start(0, 0);
    each(&TEN[..3], |record| drop(totals.apply(record)));
    totals.gap(3, 5);
    each(&TEN[5..], |record| drop(totals.apply(record)));
    let snapshot = serde_json::from_slice(&totals.snapshot("", 0).to_json()).unwrap();
    let reasons = ["offsets 3..5 were gone before anybody counted them", GONE];
    check(&examine(&TEN, 5, vec![snapshot]), Verdict::Unknown, &[Some(true)], &reasons);
}
