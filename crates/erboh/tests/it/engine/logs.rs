//! Logs that change under the totals: made anew, cut off, with a gap.

use erboh::consumer::engine::{EngineSettings, OnGap, OnLogChange};
use erboh::consumer::view::{BoardView, PartitionState};

use erboh::queue::Writer;

use super::bench::{Bench, until, until_counted};
use super::broker::{On, on_both};

on_both!(
    a_topic_made_anew_halts_its_partitions_until_a_person_decides,
    totals_of_partitions_that_are_gone_are_no_secret,
    records_that_are_gone_before_they_were_counted_are_never_jumped_silently,
    records_that_are_gone_after_they_were_counted_are_no_gap,
    a_topic_made_anew_under_a_running_engine_is_noticed,
);

/// The reason why partition 0 halts.
fn halted(view: &BoardView) -> Option<&str> {
    match &view.partitions.first()?.state {
        PartitionState::Halted(reason) => Some(reason),
        _ => None,
    }
}

async fn a_topic_made_anew_halts_its_partitions_until_a_person_decides(on: On) {
    let mut bench = Bench::new(on, 1).await;
    let engine = bench.start();
    bench.rate(5).await;
    until_counted(&engine, 5).await;
    engine.stop().await;

    bench.make_ratings_anew(1).await;
    // More records than before, so that only their content tells.
    bench.sent = 0;
    bench.rate(9).await;

    let engine = bench.start();
    let view = until(&mut engine.board(), "halted with the old totals on the board", |view| {
        halted(view).is_some() && view.board.counted() == 5
    })
    .await;
    assert!(halted(&view).unwrap().contains("--on-log-change=restart"), "{view:#?}");
    engine.stop().await;

    bench.settings.on_log_change = OnLogChange::Restart;
    let engine = bench.start();
    until(&mut engine.board(), "9 counted", |view| view.board.counted() == 9).await;
    engine.stop().await;
    // The decision is in the snapshots: from now on it needs no flag.
    bench.settings.on_log_change = OnLogChange::Halt;
    let engine = bench.start();
    bench.rate(1).await;
    until(&mut engine.board(), "10 counted", |view| view.board.counted() == 10).await;
    engine.stop().await;
}

async fn totals_of_partitions_that_are_gone_are_no_secret(on: On) {
    let mut bench = Bench::new(on, 2).await;
    let engine = bench.start();
    bench.rate(20).await;
    until_counted(&engine, 20).await;
    engine.stop().await;

    bench.make_ratings_anew(1).await;
    bench.settings.on_log_change = OnLogChange::Restart;
    let engine = bench.start();
    until(&mut engine.board(), "leftover totals are named", |view| {
        let problem = view.problem.as_deref().unwrap_or_default();
        problem.contains("has 1 partition(s), but partition 1 was counted")
    })
    .await;
    engine.stop().await;
}

async fn records_that_are_gone_before_they_were_counted_are_never_jumped_silently(on: On) {
    let mut bench = Bench::new(on, 1).await;
    let engine = bench.start();
    bench.rate(5).await;
    until_counted(&engine, 5).await;
    engine.stop().await;
    bench.rate(5).await;
    bench.admin.delete_records(&bench.settings.topics.ratings, 0, 8).await.unwrap();

    let engine = bench.start();
    let view = until(&mut engine.board(), "halted", |view| halted(view).is_some()).await;
    assert!(halted(&view).unwrap().contains("--on-gap=record"), "{view:#?}");
    engine.stop().await;

    let settings = EngineSettings { on_gap: OnGap::Record, ..bench.settings.clone() };
    let engine = bench.start_with(&settings);
    let view = until(&mut engine.board(), "7 counted", |view| view.board.counted() == 7).await;
    assert!(!view.board.exact());
    assert_eq!(view.board.snapshots()[&0].gaps, [[5, 8]]);
    engine.stop().await;
}

async fn records_that_are_gone_after_they_were_counted_are_no_gap(on: On) {
    let mut bench = Bench::new(on, 1).await;
    let engine = bench.start();
    bench.rate(5).await;
    until_counted(&engine, 5).await;
    engine.stop().await;
    bench.admin.delete_records(&bench.settings.topics.ratings, 0, 5).await.unwrap();
    let engine = bench.start();
    bench.rate(2).await;
    let view = until_counted(&engine, 7).await;
    assert!(view.board.exact());
    engine.stop().await;
}

async fn a_topic_made_anew_under_a_running_engine_is_noticed(on: On) {
    let mut bench = Bench::new(on, 1).await;
    let engine = bench.start();
    bench.rate(5).await;
    until_counted(&engine, 5).await;
    bench.make_ratings_anew(1).await;
    // A writer of its own: another one may still know the topic that is gone.
    bench.ratings = Writer::connect(&bench.kafka, &bench.settings.topics.ratings).unwrap();
    bench.rate(9).await;
    let view = until(&mut engine.board(), "halted", |view| {
        assert!(view.board.counted() <= 5, "counted another log as if it were the same: {view:#?}");
        halted(view).is_some()
    })
    .await;
    assert_eq!(view.board.counted(), 5);
    engine.stop().await;
}
