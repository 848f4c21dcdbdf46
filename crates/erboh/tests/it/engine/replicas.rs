//! Several engines, one after the other and at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use erboh::consumer::view::{BoardView, PartitionState};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::bench::{Bench, PATIENCE, until, until_counted};
use super::broker::{On, on_both};

on_both!(
    goes_on_exactly_after_a_stop_and_after_crashes,
    a_second_replica_shares_the_work_and_takes_it_over,
    a_replica_is_ready_when_it_shows_what_was_counted_before,
    two_that_both_think_they_own_everything_agree,
    new_partitions_are_counted_from_their_start,
);

/// Fails when a position or a count goes back; ends with the engine.
pub(super) fn demand_monotony(mut board: watch::Receiver<Arc<BoardView>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut before: (u64, BTreeMap<i32, i64>) = Default::default();
        while board.changed().await.is_ok() {
            let view = board.borrow_and_update().clone();
            let now = (view.board.counted(), view.board.position());
            assert!(now.0 >= before.0, "counted {} after {}", now.0, before.0);
            for (partition, position) in &before.1 {
                assert!(now.1[partition] >= *position, "{:?} after {:?}", now.1, before.1);
            }
            before = now;
        }
    })
}

pub(super) fn owns(view: &BoardView) -> usize {
    view.partitions.iter().filter(|of| of.state == PartitionState::Owned).count()
}

async fn goes_on_exactly_after_a_stop_and_after_crashes(on: On) {
    let mut bench = Bench::new(on, 3).await;
    let engine = bench.start();
    bench.rate(100).await;
    let view = until_counted(&engine, 100).await;
    assert!(view.partitions.iter().all(|of| of.lag == 0), "{view:#?}");
    engine.stop().await;
    bench.rate(50).await;
    for _ in 0..3 {
        let engine = bench.start();
        let monotone = demand_monotony(engine.board());
        bench.rate(25).await;
        until_counted(&engine, bench.sent).await;
        // Dropped, not stopped: no last snapshot, no commit.
        drop(engine);
        monotone.await.unwrap();
    }
    let engine = bench.start();
    until_counted(&engine, bench.sent).await;
    engine.stop().await;
}

async fn a_second_replica_shares_the_work_and_takes_it_over(on: On) {
    let mut bench = Bench::new(on, 4).await;
    let first = bench.start();
    bench.rate(40).await;
    until_counted(&first, 40).await;
    let second = bench.start();
    let watches = [demand_monotony(first.board()), demand_monotony(second.board())];
    until(&mut first.board(), "two partitions with the first", |view| owns(view) == 2).await;
    until(&mut second.board(), "two partitions with the second", |view| owns(view) == 2).await;
    bench.rate(40).await;
    // Either replica shows all partitions.
    until_counted(&first, 80).await;
    until_counted(&second, 80).await;
    first.stop().await;
    bench.rate(40).await;
    until_counted(&second, 120).await;
    until(&mut second.board(), "all partitions with the second", |view| owns(view) == 4).await;
    second.stop().await;
    for watch in watches {
        watch.await.unwrap();
    }
}

async fn a_replica_is_ready_when_it_shows_what_was_counted_before(on: On) {
    let mut bench = Bench::new(on, 4).await;
    let first = bench.start();
    bench.rate(40).await;
    until_counted(&first, 40).await;
    // Stopped and started again, so that everything stands in snapshots.
    first.stop().await;
    let first = bench.start();
    until(&mut first.board(), "all partitions with the first", |view| owns(view) == 4).await;
    for _ in 0..5 {
        let second = bench.start();
        let ready = |view: &BoardView| view.readiness().is_ok();
        let view = until(&mut second.board(), "the second is ready", ready).await;
        assert_eq!(view.board.counted(), 40, "{view:#?}");
        drop(second);
    }
    first.stop().await;
}

async fn two_that_both_think_they_own_everything_agree(on: On) {
    let mut bench = Bench::new(on, 2).await;
    // Another group, the same totals: each owns all partitions, as a zombie would.
    let mut other = bench.settings.clone();
    other.group.push_str("-zombie");
    let engines = [bench.start(), bench.start_with(&other)];
    for _ in 0..5 {
        bench.rate(20).await;
        for engine in &engines {
            until_counted(engine, bench.sent).await;
        }
    }
    // Each is overtaken all the time, and looks where to go on while the other counts.
    for _ in 0..100 {
        bench.rate(10).await;
    }
    for engine in &engines {
        until_counted(engine, bench.sent).await;
    }
    for engine in engines {
        engine.stop().await;
    }
    for partition in 0..2 {
        for (_, snapshot) in bench.snapshots(partition).await {
            assert_eq!(snapshot.epoch, 0, "nothing was cut off: {snapshot:?}");
        }
    }
    let engine = bench.start();
    bench.rate(1).await;
    until_counted(&engine, bench.sent).await;
    engine.stop().await;
}

async fn new_partitions_are_counted_from_their_start(on: On) {
    let mut bench = Bench::new(on, 1).await;
    let engine = bench.start();
    bench.rate(10).await;
    until_counted(&engine, 10).await;
    bench.admin.add_partitions(&bench.settings.topics.ratings, 3).await.unwrap();
    let (mut partitions, end) = (0, Instant::now() + PATIENCE);
    while partitions < 3 {
        assert!(Instant::now() < end, "{partitions} partitions of 3 are counted");
        // Writers spread over the new partitions once they know them.
        bench.rate(10).await;
        let view = until_counted(&engine, bench.sent).await;
        partitions = view.board.snapshots().len();
    }
    assert_eq!(bench.admin.partitions(&bench.settings.topics.totals).await.unwrap(), 3);
    engine.stop().await;
}
