//! Background work: retention, compaction, rolling, and writing to the disk what the page cache
//! holds. One partition after the other, so that it never takes more than one core.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::broker::Broker;
use crate::partition::Partition;
use crate::time::now_ms;

/// Maintains all logs until the broker stops.
pub(crate) async fn run(broker: Arc<Broker>) {
    let interval_ms = broker.settings.maintenance_interval_ms;
    every(interval_ms, broker, maintain_all).await;
}

/// Flushes all logs until the broker stops.
pub(crate) async fn run_flush(broker: Arc<Broker>) {
    let interval_ms = broker.settings.fsync_interval_ms;
    every(interval_ms, broker, flush_all).await;
}

async fn every(interval_ms: u64, broker: Arc<Broker>, work: fn(&Broker)) {
    let mut ticks = tokio::time::interval(Duration::from_millis(interval_ms));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = broker.stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let round = Arc::clone(&broker);
        if let Err(error) = tokio::task::spawn_blocking(move || work(&round)).await {
            tracing::error!("background work failed: {error}");
        }
    }
}

fn maintain_all(broker: &Broker) {
    each_partition(broker, "maintenance", |partition| partition.maintain(now_ms()));
    if let Err(error) = broker.store.maintain(now_ms()) {
        tracing::error!("maintenance of the broker's journal: {error}");
    }
}

fn flush_all(broker: &Broker) {
    each_partition(broker, "flush", Partition::flush);
    if let Err(error) = broker.store.flush() {
        tracing::error!("flush of the broker's journal: {error}");
    }
}

fn each_partition(broker: &Broker, name: &str, work: impl Fn(&Partition) -> io::Result<()>) {
    for topic in broker.topics.all() {
        for (index, partition) in topic.partitions().iter().enumerate() {
            if broker.stop.is_cancelled() {
                return;
            }
            if let Err(error) = work(partition) {
                tracing::error!(topic = topic.name, partition = index, "{name}: {error}");
            }
        }
    }
}
