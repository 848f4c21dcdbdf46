//! Fill: puts many ratings on the topic, as fast as the broker takes them, or a few for as long as
//! it is wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use erboh::queue::{Admin, OutRecord, Writer};
use erboh::rating::RatingId;
use erboh::rating::simulate::Researchers;

use super::stage::Stage;
use crate::start::PATIENCE;

/// Ratings that are handed over together.
const BATCH: u64 = 10_000;
/// Batches under way: with [`BATCH`] within what a writer lets wait.
const UNDER_WAY: u64 = 8;
/// Between two ratings of the steady load: a hundred a second are less than one consumer notices.
const STEADY_EVERY: Duration = Duration::from_millis(10);

/// Puts so many ratings on the topic, every one with an id of its own; says how long it took.
pub(super) fn fill(stage: &Stage, ratings: u64) -> anyhow::Result<Duration> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("a runtime")?;
    runtime.block_on(async {
        let topics = Stage::topics();
        let admin = Admin::connect(&stage.kafka())?;
        admin.ensure_topics(&topics, stage.partitions as i32, 1).await?;
        let writer = Writer::connect(&stage.kafka(), &topics.ratings)?;
        let began = Instant::now();
        let left = Arc::new(AtomicU64::new(ratings));
        let tasks: Vec<_> = (0..UNDER_WAY)
            .map(|task| tokio::spawn(share(writer.clone(), Arc::clone(&left), task)))
            .collect();
        for task in tasks {
            task.await.context("a task of the filler")??;
        }
        Ok(began.elapsed())
    })
}

/// One of several that fill together.
async fn share(writer: Writer, left: Arc<AtomicU64>, seed: u64) -> anyhow::Result<()> {
    let mut researchers = Researchers::new(seed);
    loop {
        let take = |left: u64| left.checked_sub(left.min(BATCH)).filter(|_| left > 0);
        let Ok(before) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) else {
            return Ok(());
        };
        let batch = (0..before.min(BATCH)).filter_map(|_| record(&mut researchers)).collect();
        let results = writer.send(batch, PATIENCE).await;
        // A rating whose outcome is unknown would make the log another one than was asked for.
        if let Some(error) = results.into_iter().find_map(Result::err) {
            bail!("the broker does not take what it is filled with: {error}");
        }
    }
}

fn record(researchers: &mut Researchers) -> Option<OutRecord> {
    let mut rating = researchers.next()?;
    let id = RatingId::new();
    (rating.id, rating.rater) = (Some(id), None);
    Some(OutRecord::new(id.to_string(), rating.to_json()))
}

/// A steady trickle of ratings until this is dropped.
pub(super) struct Load {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    pub(super) fn start(stage: &Stage) -> anyhow::Result<Self> {
        let writer = Writer::connect(&stage.kafka(), &Stage::topics().ratings)?;
        let end = Instant::now() + PATIENCE;
        while let Err(reason) = writer.health() {
            if Instant::now() >= end {
                return Err(anyhow!(reason).context("the load does not reach the broker"));
            }
            std::thread::sleep(STEADY_EVERY);
        }
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut researchers = Researchers::new(u64::MAX);
            while !ended.load(Ordering::Relaxed) {
                // Nobody waits for the answer: what counts is that the boards move.
                drop(record(&mut researchers).map(|record| writer.post(&[record])));
                std::thread::sleep(STEADY_EVERY);
            }
        });
        Ok(Self { over, thread: Some(thread) })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Had it panicked, the measurement would have seen nothing counted.
            let _ = thread.join();
        }
    }
}
