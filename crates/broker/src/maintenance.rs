//! Background work: retention, compaction, rolling, and writing to the disk what the page cache
//! holds. One partition after the other, so that it never takes more than one core.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinError;
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
        let done = tokio::task::spawn_blocking(move || work(&round)).await;
        // Without a panic, the runtime is going down.
        if let Err(Ok(panic)) = done.map_err(JoinError::try_into_panic) {
            std::panic::resume_unwind(panic);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::background::Background;
    use crate::settings::Settings;

    #[tokio::test]
    async fn work_that_panics_ends_its_task() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { data_dir: dir.path().to_owned(), ..Settings::default() };
        let broker = Broker::open(settings).await.unwrap();
        let mut background = Background::default();
        background.spawn("work", every(1, broker, |_| panic!("out of luck")));
        let ended = background.ended().await;
        assert_eq!(ended.task, "work");
        assert!(ended.reason.contains("out of luck"), "{}", ended.reason);
    }
}
