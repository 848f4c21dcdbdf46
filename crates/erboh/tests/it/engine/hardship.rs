//! Brokers that are away, topics that are not as they should be, members that are replaced.

use erboh::consumer::view::{BoardView, PartitionState, PartitionView};
use uuid::Uuid;

use super::bench::{Bench, PATIENCE, rating, until, until_counted};
use super::broker::{On, on_both};

on_both!(
    a_broker_that_goes_away_and_comes_back_costs_nothing,
    an_engine_starts_before_its_broker_and_stops_without_one,
    a_totals_topic_that_would_lose_totals_is_named_with_the_way_out,
    an_instance_id_that_two_use_is_named,
    who_was_replaced_by_nobody_that_stays_counts_on,
    reading_pauses_for_snapshots_and_goes_on,
    a_window_that_is_longer_than_the_log_start_is_warmed_from_there,
    a_burst_into_many_idle_partitions_is_counted_to_the_last_rating,
);

async fn a_broker_that_goes_away_and_comes_back_costs_nothing(on: On) {
    let mut bench = Bench::with_own_broker(on, 2).await;
    let engine = bench.start();
    for _ in 0..2 {
        bench.rate(10).await;
        until_counted(&engine, bench.sent).await;
        bench.broker.halt().await;
        let away = |view: &BoardView| !view.connected && view.problem.is_some();
        let view = until(&mut engine.board(), "no broker", away).await;
        assert_eq!(view.board.counted(), bench.sent, "what was counted stays on the board");
        bench.broker.serve().await;
        until(&mut engine.board(), "a broker", |view| view.connected).await;
    }
    bench.rate(10).await;
    let view = until_counted(&engine, 30).await;
    assert!(view.board.exact());
    until(&mut engine.board(), "no problem", |view| view.problem.is_none()).await;
    engine.stop().await;
}

async fn an_engine_starts_before_its_broker_and_stops_without_one(on: On) {
    let mut bench = Bench::with_own_broker(on, 1).await;
    bench.rate(3).await;
    bench.broker.halt().await;
    let engine = bench.start();
    let away = |view: &BoardView| view.problem.as_ref().is_some_and(|it| it.contains("127.0.0.1"));
    until(&mut engine.board(), "no broker", away).await;
    engine.stop().await;

    let engine = bench.start();
    bench.broker.serve().await;
    until_counted(&engine, 3).await;
    bench.broker.halt().await;
    tokio::time::timeout(PATIENCE, engine.stop()).await.unwrap();
}

async fn a_totals_topic_that_would_lose_totals_is_named_with_the_way_out(on: On) {
    let bench = Bench::new(on, 1).await;
    let topics = &bench.settings.topics;
    bench.delete(&topics.totals).await;
    let policy = [("cleanup.policy", "delete".to_owned())];
    bench.admin.create(&topics.totals, 1, 1, &policy).await.unwrap();
    let engine = bench.start();
    let view = until(&mut engine.board(), "a problem", |view| view.problem.is_some()).await;
    let problem = view.problem.as_ref().unwrap();
    for part in
        [&topics.totals, "cleanup.policy=delete", "kafka-configs.sh", "cleanup.policy=compact"]
    {
        assert!(problem.contains(part), "{problem}");
    }
    engine.stop().await;
}

async fn an_instance_id_that_two_use_is_named(on: On) {
    let mut bench = Bench::new(on, 1).await;
    bench.settings.instance_id = Some("twin".into());
    let first = bench.start();
    bench.rate(1).await;
    until_counted(&first, 1).await;
    let second = bench.start();
    let fenced = |view: &BoardView| view.problem.as_ref().is_some_and(|it| it.contains("instance"));
    until(&mut first.board(), "fenced", fenced).await;
    bench.rate(1).await;
    // It counts no more, and yet shows what the other counts.
    until_counted(&second, 2).await;
    until_counted(&first, 2).await;
    first.stop().await;
    second.stop().await;
}

/// A coordinator that is new in office can say so though there is no other.
async fn who_was_replaced_by_nobody_that_stays_counts_on(on: On) {
    let mut bench = Bench::new(on, 1).await;
    bench.settings.instance_id = Some("ghost".into());
    let engine = bench.start();
    bench.rate(1).await;
    until_counted(&engine, 1).await;
    let ghost = bench.start();
    let fenced = |view: &BoardView| view.problem.as_ref().is_some_and(|it| it.contains("instance"));
    until(&mut engine.board(), "fenced", fenced).await;
    // Gone without a word: its membership stays for a session, as that of a lost message does.
    drop(ghost);
    bench.rate(1).await;
    until_counted(&engine, 2).await;
    until(&mut engine.board(), "no problem", |view| view.problem.is_none()).await;
    engine.stop().await;
}

async fn reading_pauses_for_snapshots_and_goes_on(on: On) {
    let mut bench = Bench::new(on, 1).await;
    // So small that it must pause again and again.
    bench.settings.snapshot_distance = 10;
    bench.rate(3_000).await;
    let bad = (0..3_000).map(|_| erboh::queue::OutRecord::new("bad", "bad")).collect();
    bench.write(bad).await;
    bench.rate(1).await;
    let engine = bench.start();
    let view = until_counted(&engine, bench.sent).await;
    assert_eq!(view.board.dead(), 3_000);
    engine.stop().await;
    let letters = bench.read(&bench.settings.topics.dead_letters, 0).await;
    assert_eq!(letters.len(), 3_000);
}

async fn a_window_that_is_longer_than_the_log_start_is_warmed_from_there(on: On) {
    let mut bench = Bench::new(on, 1).await;
    let id = Uuid::now_v7().to_string();
    bench.rate(5).await;
    bench.write(vec![rating(&id)]).await;
    bench.sent += 1;
    let engine = bench.start();
    until_counted(&engine, 6).await;
    engine.stop().await;
    bench.admin.delete_records(&bench.settings.topics.ratings, 0, 3).await.unwrap();
    let engine = bench.start();
    bench.write(vec![rating(&id)]).await;
    let view = until(&mut engine.board(), "a duplicate", |view| view.board.duplicates() == 1).await;
    assert_eq!(view.board.counted(), 6);
    assert_eq!(view.board.snapshots()[&0].window_from, 3);
    engine.stop().await;
}

/// What the client reports in the middle of a burst must not be taken for its end.
async fn a_burst_into_many_idle_partitions_is_counted_to_the_last_rating(on: On) {
    let mut bench = Bench::new(on, 6).await;
    let engine = bench.start();
    until(&mut engine.board(), "every partition is counted", |view| {
        let counted = |partition: &PartitionView| partition.state == PartitionState::Owned;
        view.partitions.len() == 6 && view.partitions.iter().all(counted)
    })
    .await;
    for _ in 0..2 {
        bench.rate(60_000).await;
        let positions = |view: &BoardView| view.board.position().values().sum::<i64>();
        let sent = bench.sent as i64;
        let view = until(&mut engine.board(), "the end", |view| positions(view) == sent).await;
        assert_eq!(view.board.counted(), bench.sent);
    }
    engine.stop().await;
}
