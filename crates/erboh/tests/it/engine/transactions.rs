//! Transactions of foreign producers: ended, aborted, and one that hangs.

use super::bench::{Bench, until, until_counted};
use super::broker::{On, on_both};
use super::foreign::Foreign;

on_both!(
    aborted_transactions_do_not_count_and_leave_no_lag,
    a_transaction_that_hangs_holds_up_one_partition_until_the_broker_ends_it,
);

async fn aborted_transactions_do_not_count_and_leave_no_lag(on: On) {
    let mut bench = Bench::new(on, 1).await;
    let engine = bench.start();
    bench.rate(3).await;
    let foreign = Foreign::begin(&bench);
    foreign.write(0);
    foreign.commit();
    foreign.begin_again();
    foreign.write(0);
    foreign.abort();
    // 3 ratings, 1 committed and its marker, 1 aborted and its marker.
    let view = until(&mut engine.board(), "position behind the markers", |view| {
        view.board.position().get(&0) == Some(&7)
    })
    .await;
    assert_eq!(view.board.counted(), 4);
    assert_eq!(view.partitions[0].lag, 0);
    bench.rate(1).await;
    until_counted(&engine, 5).await;
    engine.stop().await;
}

async fn a_transaction_that_hangs_holds_up_one_partition_until_the_broker_ends_it(on: On) {
    let mut bench = Bench::new(on, 2).await;
    let engine = bench.start();
    bench.rate(20).await;
    let before = until_counted(&engine, 20).await;
    let stuck_at = before.board.position()[&0];
    let foreign = Foreign::begin(&bench);
    foreign.write(0);
    bench.rate(40).await;
    // Partition 1 goes on; partition 0 waits, and whoever looks sees what waits there.
    let view = until(&mut engine.board(), "lag", |view| {
        assert!(view.board.counted() < 60 || view.board.position()[&0] > stuck_at, "{view:#?}");
        let [stuck, well] = &view.partitions[..] else { return false };
        stuck.lag > 1 && well.lag == 0 && well.position + stuck.end_offset == 61
    })
    .await;
    assert_eq!(view.board.position()[&0], stuck_at);
    // A take-over changes nothing about that.
    engine.stop().await;
    let engine = bench.start();
    // The broker ends the transaction, and what waited behind it counts: 60, and not the foreign one.
    let view = until_counted(&engine, 60).await;
    assert!(view.board.exact());
    // A record that was aborted, and the marker that says so.
    let view = until(&mut engine.board(), "no lag", |view| {
        view.partitions.iter().map(|of| of.position).sum::<i64>() == 62
    })
    .await;
    assert_eq!(view.lag(), 0);
    engine.stop().await;
    drop(foreign);
}
