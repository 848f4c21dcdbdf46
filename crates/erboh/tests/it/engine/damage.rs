//! Damage: records that stand in the log and cannot be read. Their partition stands still and says so; the others go
//! on, and nothing behind the damage is counted before it is read or deleted.

use std::sync::Arc;

use erboh::consumer::engine::{Engine, EngineSettings, OnGap};
use erboh::consumer::view::{BoardView, PartitionState};
use erboh::queue::OutRecord;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::bench::{Bench, rating, until, until_counted};
use super::broker::{On, on_embedded, on_kafka};
use crate::support::segment::{Batch, Damage};

on_embedded!(
    a_damaged_batch_halts_its_partition_alone_until_it_is_whole_again,
    a_batch_of_junk_halts_its_partition_alone_until_it_is_whole_again,
    a_batch_that_cannot_be_decompressed_halts_its_partition_too,
    counting_goes_on_behind_unreadable_records_that_were_deleted,
    a_replica_that_does_not_have_the_partition_says_so_too,
);
on_kafka!(
    a_batch_that_cannot_be_decompressed_halts_its_partition_too,
    counting_goes_on_behind_unreadable_records_that_were_deleted,
);

/// Partitions of these benches; the batch that is damaged stands in the first.
const PARTITIONS: i32 = 3;

/// Ratings of one batch.
const BATCH: u64 = 10;

/// Writes a batch of ratings into one partition.
async fn rate(bench: &mut Bench, partition: i32) {
    let rating = || {
        let id = Uuid::now_v7().to_string();
        OutRecord { partition: Some(partition), ..rating(&id) }
    };
    bench.write((0..BATCH).map(|_| rating()).collect()).await;
    bench.sent += BATCH;
}

/// Batches in all partitions, of which one in the middle of partition 0 is damaged.
async fn damaged(on: On, how: Damage) -> (Bench, Batch) {
    let mut bench = Bench::new(on, PARTITIONS).await;
    for _ in 0..3 {
        for partition in 0..PARTITIONS {
            rate(&mut bench, partition).await;
        }
    }
    // A writer may have made two of what it was given at once.
    let batch = Batch::find(&bench.broker.partition(&bench.settings.topics.ratings, 0), 15);
    batch.damage(how);
    (bench, batch)
}

/// The state of a partition.
fn state(view: &BoardView, partition: i32) -> Option<&PartitionState> {
    let of = view.partitions.iter().find(|of| of.partition == partition);
    of.map(|of| &of.state)
}

/// Why a partition stands still, once it does.
fn standstill(view: &BoardView, partition: i32) -> Option<&str> {
    state(view, partition)?.standstill()
}

/// Whether a partition stands still at that offset.
fn stands_at(view: &BoardView, partition: i32, offset: i64) -> bool {
    standstill(view, partition).is_some_and(|reason| reason.contains(&format!("offset {offset}")))
}

fn is_halted(view: &BoardView, partition: i32) -> bool {
    matches!(state(view, partition), Some(PartitionState::Halted(_)))
}

/// Looks at every board from now on: once the partitions behind the first are counted they are counted all the time,
/// and never does a board claim that all is well.
fn watch_others(engine: &Engine, damaged_from: i64) -> (watch::Sender<bool>, JoinHandle<()>) {
    let (over, is_over) = watch::channel(false);
    let mut board = engine.board();
    let watching = tokio::spawn(async move {
        let mut counted = [false; PARTITIONS as usize];
        while board.changed().await.is_ok() && !*is_over.borrow() {
            let view: Arc<BoardView> = board.borrow_and_update().clone();
            for partition in 1..PARTITIONS {
                let counts = state(&view, partition) == Some(&PartitionState::Owned);
                let before = &mut counted[partition as usize];
                assert!(counts || !*before, "partition {partition} was disturbed: {view:#?}");
                *before |= counts;
            }
            let first = view.board.position().get(&0).copied().unwrap_or(0);
            assert!(first <= damaged_from, "it went on behind the damage: {view:#?}");
            assert!(!view.has_counted_all(), "it claims to be caught up: {view:#?}");
        }
    });
    (over, watching)
}

/// One partition halts, the others are counted as if nothing was; all of it is counted once the batch is whole.
async fn halts_alone(on: On, how: Damage) {
    let (mut bench, batch) = damaged(on, how).await;
    let engine = bench.start();
    let (over, watching) = watch_others(&engine, batch.first);
    let stalled = |view: &BoardView| stands_at(view, 0, batch.first);
    let view = until(&mut engine.board(), "a standstill", stalled).await;
    assert!(!view.is_exact(), "{view:#?}");
    let view = until(&mut engine.board(), "a halt", |view| is_halted(view, 0)).await;
    let reason = standstill(&view, 0).unwrap();
    let cannot = format!("from offset {} cannot be read", batch.first);
    for part in [&cannot, "intact copy", "--on-gap=record"] {
        assert!(reason.contains(part), "{reason}");
    }
    assert!(!view.is_exact() && view.problem.is_none(), "{view:#?}");
    assert!(view.trouble().is_some_and(|trouble| trouble.starts_with("partition 0 is halted: ")));
    // The others go on.
    for partition in [1, 2, 1, 2] {
        rate(&mut bench, partition).await;
    }
    let unread = 3 * BATCH - batch.first as u64;
    until_counted(&engine, bench.sent - unread).await;
    over.send_replace(true);
    batch.put_back();
    let view = until_counted(&engine, bench.sent).await;
    assert!(view.board.exact());
    until(&mut engine.board(), "all is well", |view| view.is_exact() && view.trouble().is_none())
        .await;
    watching.await.unwrap();
    engine.stop().await;
}

async fn a_damaged_batch_halts_its_partition_alone_until_it_is_whole_again(on: On) {
    halts_alone(on, Damage::Bit).await;
}

/// The client library says nothing of these: it fetches them again and again.
async fn a_batch_of_junk_halts_its_partition_alone_until_it_is_whole_again(on: On) {
    halts_alone(on, Damage::Junk).await;
}

async fn a_batch_that_cannot_be_decompressed_halts_its_partition_too(on: On) {
    halts_alone(on, Damage::CompressedJunk).await;
}

async fn counting_goes_on_behind_unreadable_records_that_were_deleted(on: On) {
    let (bench, batch) = damaged(on, Damage::Bit).await;
    let engine = bench.start();
    until(&mut engine.board(), "a halt", |view| is_halted(view, 0)).await;
    bench.admin.delete_records(&bench.settings.topics.ratings, 0, batch.next).await.unwrap();
    // Only a person decides to go on without them.
    let gap = format!(
        "the records from offset {} to {} were deleted before they were counted",
        batch.first, batch.next
    );
    until(&mut engine.board(), "the gap", |view| {
        is_halted(view, 0) && standstill(view, 0).is_some_and(|reason| reason.contains(&gap))
    })
    .await;
    engine.stop().await;
    let settings = EngineSettings { on_gap: OnGap::Record, ..bench.settings.clone() };
    let engine = bench.start_with(&settings);
    let gone = (batch.next - batch.first) as u64;
    let view = until_counted(&engine, bench.sent - gone).await;
    assert_eq!(view.board.snapshots()[&0].gaps, [[batch.first, batch.next]]);
    assert!(!view.is_exact());
    engine.stop().await;
}

/// Every replica shows every partition, so that each must tell one that is late from one that stands still.
async fn a_replica_that_does_not_have_the_partition_says_so_too(on: On) {
    let (bench, batch) = damaged(on, Damage::Bit).await;
    let engines = [bench.start(), bench.start()];
    for engine in &engines {
        let stalled = |view: &BoardView| stands_at(view, 0, batch.first);
        let view = until(&mut engine.board(), "a standstill", stalled).await;
        assert!(!view.is_exact(), "{view:#?}");
    }
    let has_it = |engine: &Engine| is_halted(&engine.board().borrow(), 0);
    let owners = engines.iter().filter(|engine| has_it(engine)).count();
    assert!(owners <= 1, "only one of them has it");
    batch.put_back();
    for engine in engines {
        let well = |view: &BoardView| view.board.counted() == bench.sent && view.is_exact();
        until(&mut engine.board(), "all is counted", well).await;
        engine.stop().await;
    }
}
