//! Retention: records that are deleted under an engine that has not counted them yet.
//!
//! ```text
//!   start ─ counted ─► P ─ deleted, uncounted ─► S ─ there ─► end
//!                      └──── the gap [P, S) ────┘             counted + gap = all, to the record
//! ```

use std::time::Instant;

use erboh::consumer::engine::{Engine, EngineSettings, OnGap};
use erboh::consumer::view::{BoardView, PartitionState};

use super::bench::{Bench, PATIENCE, until};
use super::broker::{On, on_both};
use super::foreign::Foreign;

on_both!(
    records_that_go_before_a_live_engine_counts_them_halt_it,
    records_that_go_before_a_live_engine_counts_them_are_recorded_as_a_gap,
    records_that_go_before_the_first_snapshot_are_no_secret_either,
    records_that_go_while_nothing_can_be_written_are_no_secret_either,
);

/// Records in the log.
const ALL: i64 = 6_000;

/// Where the log begins afterwards: further than an engine counts that waits for its snapshots.
const START: i64 = 5_000;

/// An engine that is behind, because the totals topic takes nothing, and where it is.
async fn behind(bench: &mut Bench, settings: &EngineSettings) -> (Engine, i64) {
    bench.rate(ALL as u64).await;
    let engine = bench.start_with(settings);
    let view = until(&mut engine.board(), "a pause", |view| {
        let problem = view.problem.as_deref().unwrap_or_default();
        let position = view.board.position().get(&0).copied().unwrap_or_default();
        problem.contains("totals cannot be written") && position > 0
    })
    .await;
    let position = view.board.position()[&0];
    assert!(position < START, "it is not behind: {position}");
    (engine, position)
}

/// A bench whose totals topic takes nothing.
async fn bench(on: On) -> Bench {
    let mut bench = Bench::new(on, 1).await;
    bench.settings.snapshot_distance = 10;
    bench.refuse(&bench.settings.topics.totals, "compact").await;
    bench
}

async fn delete(bench: &Bench) {
    bench.admin.delete_records(&bench.settings.topics.ratings, 0, START).await.unwrap();
}

/// Waits until everything is accounted for: counted, or in the one gap, which begins where the
/// counting was.
async fn until_accounted_for(engine: &Engine, position: i64, markers: i64) {
    let view = until(&mut engine.board(), "counted or in a gap", |view| {
        let Some(snapshot) = view.board.snapshots().get(&0) else { return false };
        // Not for a moment may the board claim more than there was.
        let gaps: i64 = snapshot.gaps.iter().map(|[from, to]| to - from).sum();
        let ratings = snapshot.next_offset.min(ALL);
        assert_eq!(snapshot.counted as i64 + gaps, ratings, "{view:#?}");
        assert_eq!(snapshot.from_offset, 0, "{view:#?}");
        snapshot.next_offset == ALL + markers
    })
    .await;
    assert!(!view.board.exact());
    assert_eq!(view.board.snapshots()[&0].gaps, [[position, START]]);
}

fn halted(view: &BoardView) -> Option<&str> {
    match &view.partitions.first()?.state {
        PartitionState::Halted(reason) => Some(reason),
        _ => None,
    }
}

async fn records_that_go_before_a_live_engine_counts_them_halt_it(on: On) {
    let mut bench = bench(on).await;
    let settings = bench.settings.clone();
    let (engine, position) = behind(&mut bench, &settings).await;
    delete(&bench).await;
    bench.accept(&settings.topics.totals, "compact").await;
    let view = until(&mut engine.board(), "halted", |view| {
        assert!(view.board.counted() as i64 <= position, "counted on behind a gap: {view:#?}");
        halted(view).is_some()
    })
    .await;
    let reason = halted(&view).unwrap();
    for part in [&position.to_string(), &START.to_string(), "--on-gap=record"] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(view.board.counted() as i64, position);
    engine.stop().await;
    let settings = EngineSettings { on_gap: OnGap::Record, ..settings };
    let engine = bench.start_with(&settings);
    until_accounted_for(&engine, position, 0).await;
    engine.stop().await;
}

async fn records_that_go_before_a_live_engine_counts_them_are_recorded_as_a_gap(on: On) {
    let mut bench = bench(on).await;
    let settings = EngineSettings { on_gap: OnGap::Record, ..bench.settings.clone() };
    let (engine, position) = behind(&mut bench, &settings).await;
    delete(&bench).await;
    bench.accept(&settings.topics.totals, "compact").await;
    until_accounted_for(&engine, position, 0).await;
    engine.stop().await;
}

async fn records_that_go_before_the_first_snapshot_are_no_secret_either(on: On) {
    let mut bench = Bench::new(on, 1).await;
    bench.settings.on_gap = OnGap::Record;
    let engine = bench.start();
    // An empty log: nothing is counted, and where counting begins is known.
    until(&mut engine.board(), "owned", |view| {
        view.partitions.first().is_some_and(|of| of.state == PartitionState::Owned)
    })
    .await;
    let end = Instant::now() + PATIENCE;
    while bench.snapshots(0).await.is_empty() {
        assert!(Instant::now() < end, "where counting begins was never written");
    }
    engine.stop().await;
    bench.rate(ALL as u64).await;
    delete(&bench).await;
    let engine = bench.start();
    until_accounted_for(&engine, 0, 0).await;
    engine.stop().await;
}

async fn records_that_go_while_nothing_can_be_written_are_no_secret_either(on: On) {
    let mut bench = bench(on).await;
    // It does not pause: what keeps it behind is a transaction that does not end.
    bench.settings.snapshot_distance = 1_000_000;
    bench.settings.on_gap = OnGap::Record;
    let engine = bench.start();
    bench.rate(1_000).await;
    until(&mut engine.board(), "counted", |view| view.board.counted() == 1_000).await;
    let foreign = Foreign::begin(&bench);
    foreign.write(0);
    bench.rate((ALL - 1_001) as u64).await;
    delete(&bench).await;
    // It has met the hole, and cannot write down how far it was.
    until(&mut engine.board(), "taken aback", |view| {
        let problem = view.problem.as_deref().unwrap_or_default();
        problem.contains("totals cannot be written")
            && view.partitions[0].state == PartitionState::Restoring
    })
    .await;
    bench.accept(&bench.settings.topics.totals, "compact").await;
    foreign.abort();
    until_accounted_for(&engine, 1_000, 1).await;
    engine.stop().await;
}
