//! Topics that refuse or delay what the engine writes: counting pauses, says so, and goes on.

use std::collections::BTreeSet;
use std::sync::Arc;

use erboh::consumer::engine::Engine;
use erboh::consumer::view::BoardView;
use erboh::queue::OutRecord;

use super::bench::{Bench, PATIENCE, until, until_counted};
use super::broker::{On, on_both};

on_both!(
    totals_that_are_refused_pause_the_counting_until_they_are_taken,
    a_snapshot_waits_for_the_dead_letters_before_it,
    slow_snapshots_bound_how_far_counting_runs_ahead,
    a_totals_topic_with_small_messages_is_named_at_the_start,
);

/// Records that the engine may look at before it sees that it is too far.
const TURN: i64 = 2_000;

/// Offsets between two snapshots here; after four times as many it must pause.
const DISTANCE: i64 = 50;

/// The furthest that counting may be ahead of the newest acknowledged snapshot.
const AHEAD_MAX: i64 = 4 * DISTANCE + TURN;

/// Waits for a problem that names both, and for a partition that is paused: nothing moves though
/// there is more to count.
async fn until_paused(engine: &Engine, names: [&str; 2], covered: i64) -> Arc<BoardView> {
    let view = until(&mut engine.board(), "a pause", |view| {
        let position = view.board.position().get(&0).copied().unwrap_or_default();
        assert!(position <= covered + AHEAD_MAX, "{position} is too far ahead of {covered}");
        let problem = view.problem.as_deref().unwrap_or_default();
        names.iter().all(|name| problem.contains(name))
            && position > covered
            && view.partitions[0].lag > 0
    })
    .await;
    assert!(view.board.exact());
    view
}

async fn totals_that_are_refused_pause_the_counting_until_they_are_taken(on: On) {
    let mut bench = Bench::new(on, 1).await;
    bench.settings.snapshot_distance = DISTANCE;
    let totals = bench.settings.topics.totals.clone();
    let engine = bench.start();
    bench.rate(10).await;
    until_counted(&engine, 10).await;
    let covered = bench.until_covered(0, 10).await.next_offset;
    bench.refuse(&totals, "compact").await;
    bench.rate(6_000).await;
    let view = until_paused(&engine, ["totals cannot be written", &totals], covered).await;
    let paused_at = view.board.position()[&0];
    // The engine lives: it sees more ratings come, and counts none of them.
    bench.rate(10).await;
    until(&mut engine.board(), "more lag", |view| view.partitions[0].end_offset >= 6_020).await;
    let view = engine.board().borrow().clone();
    assert!(view.board.position()[&0] <= covered + AHEAD_MAX, "{paused_at}: {view:#?}");
    // Whoever takes over now counts again what no snapshot covers.
    drop(engine);
    let engine = bench.start();
    until_paused(&engine, ["totals cannot be written", &totals], covered).await;

    bench.accept(&totals, "compact").await;
    until_counted(&engine, bench.sent).await;
    until(&mut engine.board(), "no problem", |view| view.problem.is_none()).await;
    engine.stop().await;
    let last = bench.snapshots(0).await.pop().unwrap().1;
    assert_eq!((last.next_offset, last.counted), (6_020, 6_020));
}

async fn a_snapshot_waits_for_the_dead_letters_before_it(on: On) {
    let mut bench = Bench::new(on, 1).await;
    bench.settings.snapshot_distance = DISTANCE;
    let letters = bench.settings.topics.dead_letters.clone();
    bench.refuse(&letters, "compact,delete").await;
    let engine = bench.start();
    bench.rate(5).await;
    until_counted(&engine, 5).await;
    let bad = bench.write(vec![OutRecord::new("bad", "bad")]).await[0].offset;
    bench.rate(6_000).await;
    until_paused(&engine, ["dead letters cannot be written", &letters], bad).await;
    let passed = bench.snapshots(0).await.iter().any(|(_, of)| of.next_offset > bad);
    assert!(!passed, "a snapshot has passed a dead letter that is nowhere");
    // Killed now, nothing is lost: the next one finds the bad record again.
    drop(engine);
    let engine = bench.start();
    until_paused(&engine, ["dead letters cannot be written", &letters], bad).await;
    assert!(bench.snapshots(0).await.iter().all(|(_, of)| of.next_offset <= bad));

    bench.accept(&letters, "compact,delete").await;
    let view = until_counted(&engine, bench.sent).await;
    assert_eq!(view.board.dead(), 1);
    until(&mut engine.board(), "no problem", |view| view.problem.is_none()).await;
    engine.stop().await;
    let keys: BTreeSet<String> =
        bench.read(&letters, 0).await.into_iter().map(|letter| letter.key).collect();
    let log = bench.snapshots(0).await.pop().unwrap().1.log;
    assert_eq!(keys, BTreeSet::from([format!("{log}|0|{bad}")]));
}

async fn slow_snapshots_bound_how_far_counting_runs_ahead(on: On) {
    let mut bench = Bench::new(on, 1).await;
    bench.settings.snapshot_distance = DISTANCE;
    bench.rate(6_000).await;
    // Every acknowledgement takes this long, because the records wait for company.
    bench.kafka.properties.push(("linger.ms".into(), "500".into()));
    let engine = bench.start();
    until_counted(&engine, bench.sent).await;
    engine.stop().await;
    let mut covered = 0;
    for (_, snapshot) in bench.snapshots(0).await {
        assert!(
            snapshot.next_offset - covered <= AHEAD_MAX,
            "{} after {covered}",
            snapshot.next_offset
        );
        covered = snapshot.next_offset;
    }
    assert_eq!(covered, 6_000);
}

async fn a_totals_topic_with_small_messages_is_named_at_the_start(on: On) {
    let mut bench = Bench::new(on, 1).await;
    let totals = bench.settings.topics.totals.clone();
    bench
        .configure(&totals, &[("cleanup.policy", "compact"), ("max.message.bytes", "1000012")])
        .await;
    let engine = bench.start();
    let view = until(&mut engine.board(), "a problem", |view| view.problem.is_some()).await;
    let problem = view.problem.as_ref().unwrap();
    for part in [&totals, "max.message.bytes=1000012", "10000 voices", "kafka-configs.sh"] {
        assert!(problem.contains(part), "{problem}");
    }
    // Few topics ever see so many voices: it counts all the same.
    bench.rate(3).await;
    until_counted(&engine, 3).await;
    tokio::time::timeout(PATIENCE, engine.stop()).await.unwrap();
}
