//! Members of the group: they come and go under load, some of them under a name of their own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use erboh::consumer::engine::{Engine, EngineSettings};
use erboh::consumer::view::{BoardView, PartitionState};
use erboh::queue::Writer;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::bench::{Bench, rating, send, until, until_counted};
use super::broker::{On, on_both};
use super::replicas::{demand_monotony, owns};

on_both!(
    three_replicas_join_and_leave_under_load,
    partitions_are_added_under_load,
    a_named_member_that_restarts_moves_no_partitions,
    partitions_that_are_added_after_a_named_member_restarted_are_counted,
);

/// Somebody who rates all the time.
struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    running: JoinHandle<()>,
}

impl Load {
    fn start(writer: &Writer) -> Self {
        let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (writer, over, count) = (writer.clone(), Arc::clone(&stop), Arc::clone(&sent));
        let running = tokio::spawn(async move {
            while !over.load(Ordering::Acquire) {
                let batch = (0..5).map(|_| rating(&Uuid::now_v7().to_string())).collect();
                send(&writer, batch).await;
                count.fetch_add(5, Ordering::AcqRel);
            }
        });
        Self { stop, sent, running }
    }

    /// Waits until so many more have been sent.
    async fn wait_for(&self, more: u64) {
        let goal = self.sent.load(Ordering::Acquire) + more;
        while self.sent.load(Ordering::Acquire) < goal {
            assert!(!self.running.is_finished(), "the load has ended");
            tokio::task::yield_now().await;
        }
    }

    /// Ends, and says how many were sent.
    async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Release);
        self.running.await.unwrap();
        self.sent.load(Ordering::Acquire)
    }
}

async fn until_owns(engine: &Engine, partitions: usize) {
    let what = format!("{partitions} partitions");
    until(&mut engine.board(), &what, |view| owns(view) == partitions).await;
}

async fn three_replicas_join_and_leave_under_load(on: On) {
    let bench = Bench::new(on, 6).await;
    let load = Load::start(&bench.ratings);
    let first = bench.start();
    until_owns(&first, 6).await;
    let second = bench.start();
    let third = bench.start();
    let watches = [&first, &second, &third].map(|engine| demand_monotony(engine.board()));
    for engine in [&first, &second, &third] {
        until_owns(engine, 2).await;
    }
    load.wait_for(100).await;
    // One leaves in order, one is gone without a word, one comes back.
    first.stop().await;
    until_owns(&second, 3).await;
    until_owns(&third, 3).await;
    drop(second);
    until_owns(&third, 6).await;
    let fourth = bench.start();
    until_owns(&fourth, 3).await;
    load.wait_for(100).await;
    let sent = load.end().await;
    until_counted(&third, sent).await;
    until_counted(&fourth, sent).await;
    third.stop().await;
    fourth.stop().await;
    for watch in watches {
        watch.await.unwrap();
    }
}

async fn partitions_are_added_under_load(on: On) {
    let bench = Bench::new(on, 2).await;
    let load = Load::start(&bench.ratings);
    let engines = [bench.start(), bench.start()];
    let watches = engines.each_ref().map(|engine| demand_monotony(engine.board()));
    for engine in &engines {
        until_owns(engine, 1).await;
    }
    bench.admin.add_partitions(&bench.settings.topics.ratings, 6).await.unwrap();
    for engine in &engines {
        until_owns(engine, 3).await;
    }
    let counts_everywhere = |view: &BoardView| {
        let counted = view.board.snapshots().values().filter(|of| of.counted > 0).count();
        counted == 6 && view.board.snapshots().values().all(|of| of.from_offset == 0)
    };
    until(&mut engines[0].board(), "ratings in all partitions", counts_everywhere).await;
    let sent = load.end().await;
    for engine in engines {
        until_counted(&engine, sent).await;
        engine.stop().await;
    }
    for watch in watches {
        watch.await.unwrap();
    }
}

/// Two engines with names, which own two partitions each.
async fn named(bench: &Bench) -> [(EngineSettings, Engine); 2] {
    let start = |name: &str| {
        let settings = EngineSettings { instance_id: Some(name.into()), ..bench.settings.clone() };
        let engine = bench.start_with(&settings);
        (settings, engine)
    };
    let both = [start("one"), start("two")];
    for (_, engine) in &both {
        until_owns(engine, 2).await;
    }
    both
}

fn owned(view: &BoardView) -> BTreeSet<i32> {
    let mine = view.partitions.iter().filter(|of| of.state == PartitionState::Owned);
    mine.map(|of| of.partition).collect()
}

/// Fails when an engine gets or loses a partition; ends with the engine.
fn demand_calm(mut board: watch::Receiver<Arc<BoardView>>) -> JoinHandle<()> {
    let before = owned(&board.borrow_and_update());
    tokio::spawn(async move {
        while board.changed().await.is_ok() {
            let now = owned(&board.borrow_and_update());
            // The last board of an engine that stops owns nothing any more.
            assert!(now == before || now.is_empty(), "{now:?} after {before:?}");
        }
    })
}

async fn a_named_member_that_restarts_moves_no_partitions(on: On) {
    let mut bench = Bench::new(on, 4).await;
    let [(settings, one), (_, two)] = named(&bench).await;
    bench.rate(20).await;
    until_counted(&two, 20).await;
    let mine = owned(&one.board().borrow());
    let calm = demand_calm(two.board());
    one.stop().await;
    bench.rate(20).await;
    let one = bench.start_with(&settings);
    let view = until_counted(&one, 40).await;
    until_counted(&two, 40).await;
    assert_eq!(owned(&view), mine, "it has its own partitions again, and no others");
    two.stop().await;
    one.stop().await;
    calm.await.unwrap();
}

async fn partitions_that_are_added_after_a_named_member_restarted_are_counted(on: On) {
    let mut bench = Bench::new(on, 4).await;
    let [one, two] = named(&bench).await;
    let mut engines = Vec::new();
    // Whichever of them leads the group has a new id now, which the group need not tell.
    for (settings, engine) in [one, two] {
        engine.stop().await;
        let engine = bench.start_with(&settings);
        until_owns(&engine, 2).await;
        engines.push(engine);
    }
    bench.admin.add_partitions(&bench.settings.topics.ratings, 8).await.unwrap();
    for engine in &engines {
        until_owns(engine, 4).await;
    }
    bench.rate(40).await;
    for engine in engines {
        until_counted(&engine, 40).await;
        engine.stop().await;
    }
}
