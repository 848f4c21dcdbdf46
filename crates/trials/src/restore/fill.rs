//! Fills the topic with ratings at full speed, or with a slow constant load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use erboh::queue::{Admin, OutRecord, Writer};
use erboh::rating::RatingId;
use erboh::rating::simulate::Researchers;

use super::environment::Environment;
use crate::start::TIMEOUT;

/// Ratings per batch.
const BATCH: u64 = 10_000;
/// Concurrent batches: with [`BATCH`] within the queue limit of a writer.
const CONCURRENT_BATCHES: u64 = 8;
/// Interval of the constant load: a hundred ratings per second do not slow a consumer down.
const LOAD_INTERVAL: Duration = Duration::from_millis(10);

/// Writes `ratings` ratings with distinct ids; returns the duration.
pub(super) fn fill(environment: &Environment, ratings: u64) -> anyhow::Result<Duration> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("a runtime")?;
    runtime.block_on(async {
        let topics = Environment::topics();
        let admin = Admin::connect(&environment.kafka())?;
        admin.ensure_topics(&topics, environment.partitions as i32, 1).await?;
        let writer = Writer::connect(&environment.kafka(), &topics.ratings)?;
        let began = Instant::now();
        let left = Arc::new(AtomicU64::new(ratings));
        let tasks: Vec<_> = (0..CONCURRENT_BATCHES)
            .map(|task| tokio::spawn(write_batches(writer.clone(), Arc::clone(&left), task)))
            .collect();
        for task in tasks {
            task.await.context("a task of the fill")??;
        }
        Ok(began.elapsed())
    })
}

/// Writes batches until no ratings are left.
async fn write_batches(writer: Writer, left: Arc<AtomicU64>, seed: u64) -> anyhow::Result<()> {
    let mut researchers = Researchers::new(seed);
    loop {
        let take = |left: u64| left.checked_sub(left.min(BATCH)).filter(|_| left > 0);
        let Ok(before) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) else {
            return Ok(());
        };
        let batch = (0..before.min(BATCH)).filter_map(|_| record(&mut researchers)).collect();
        let results = writer.send(batch, TIMEOUT).await;
        // An unknown outcome would make the length of the log unknown.
        if let Some(error) = results.into_iter().find_map(Result::err) {
            bail!("filling the topic: {error}");
        }
    }
}

fn record(researchers: &mut Researchers) -> Option<OutRecord> {
    let mut rating = researchers.next()?;
    let id = RatingId::new();
    (rating.id, rating.rater) = (Some(id), None);
    Some(OutRecord::new(id.to_string(), rating.to_json()))
}

/// A slow constant load until this is dropped.
pub(super) struct Load {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    pub(super) fn start(environment: &Environment) -> anyhow::Result<Self> {
        let writer = Writer::connect(&environment.kafka(), &Environment::topics().ratings)?;
        let end = Instant::now() + TIMEOUT;
        while let Err(reason) = writer.health() {
            if Instant::now() >= end {
                return Err(anyhow!(reason).context("connecting the load to the broker"));
            }
            std::thread::sleep(LOAD_INTERVAL);
        }
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || {
            let mut researchers = Researchers::new(u64::MAX);
            while !stop.load(Ordering::Relaxed) {
                // The result is ignored; the load only has to move the boards.
                drop(record(&mut researchers).map(|record| writer.post(&[record])));
                std::thread::sleep(LOAD_INTERVAL);
            }
        });
        Ok(Self { stopped, thread: Some(thread) })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // After a panic the measurement fails, because nothing is counted.
            let _ = thread.join();
        }
    }
}
