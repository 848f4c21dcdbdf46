//! Measure: one time after the other, with a watch in the hand.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use erboh_testbed::Signal;

use super::fill::Load;
use super::stage::{Consumer, PartitionView, Stage};
use crate::broker::Kind;
use crate::start::PATIENCE;

/// How long a group is left alone before something is done to it. librdkafka joins at most once a
/// second, so that what happens right after another rebalance takes longer.
const REST: Duration = Duration::from_secs(2);

/// What was measured at one length of the log.
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) ratings: u64,
    pub(super) times: Times,
}

/// Each time of each run.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// From the start of the only consumer until it is at the log's end.
    pub(super) started: Vec<Duration>,
    /// From SIGTERM until the other replica counts.
    pub(super) stopped: Vec<Duration>,
    /// From SIGKILL until the other replica counts.
    pub(super) killed: Vec<Duration>,
}

/// Counts what is new on the topic; says how long that took.
pub(super) fn count_once(stage: &Stage) -> anyhow::Result<Duration> {
    let (consumer, took) = start(stage)?;
    stop(stage, consumer)?;
    Ok(took)
}

/// Takes every time once. There is no consumer before and after.
pub(super) fn once(stage: &Stage, times: &mut Times) -> anyhow::Result<String> {
    let (first, started) = start(stage)?;
    let load = Load::start(stage)?;
    let second = stage.start_consumer()?;
    let (survivor, stopped) = take_over(stage, [first, second], Signal::Terminate)?;
    let third = stage.start_consumer()?;
    let (survivor, killed) = take_over(stage, [survivor, third], Signal::Kill)?;
    drop(load);
    stop(stage, survivor)?;
    times.started.push(started);
    times.stopped.push(stopped);
    times.killed.push(killed);
    let [started, stopped, killed] = [started, stopped, killed].map(|took| took.as_millis());
    Ok(format!("start {started} ms, clean stop {stopped} ms, SIGKILL {killed} ms"))
}

/// Starts the only consumer; says how long it took until it owned all partitions and its board was
/// at the end of the log.
fn start(stage: &Stage) -> anyhow::Result<(Consumer, Duration)> {
    let ends = stage.ends()?;
    let began = Instant::now();
    let consumer = stage.start_consumer()?;
    let there = |(view, end): (&PartitionView, &i64)| view.is_owned() && view.position >= *end;
    consumer.until("that it counted everything", |views| {
        views.len() == ends.len() && views.iter().zip(&ends).all(there)
    })?;
    Ok((consumer, began.elapsed()))
}

fn stop(stage: &Stage, mut consumer: Consumer) -> anyhow::Result<()> {
    consumer.process.signal(Signal::Terminate).map_err(|reason| anyhow!(reason))?;
    let status = consumer.process.wait(PATIENCE).context("a consumer does not stop")?;
    if !status.success() {
        bail!("a consumer stopped with {status}");
    }
    stage.wait_for_members(0)
}

/// Ends the one of two replicas that owns more; says which is left, and how long it took until that
/// counted all the partitions that the other had owned.
fn take_over(
    stage: &Stage,
    pair: [Consumer; 2],
    signal: Signal,
) -> anyhow::Result<(Consumer, Duration)> {
    let all = stage.partitions as usize;
    for replica in &pair {
        replica.until("all partitions", |views| views.len() == all)?;
    }
    stage.wait_for_members(2)?;
    std::thread::sleep(REST);
    stage.wait_for_members(2)?;
    let owned = |replica: &Consumer| -> anyhow::Result<Vec<i32>> {
        let views = replica.look().context("a replica does not answer")?;
        Ok(views.iter().filter(|view| view.is_owned()).map(|view| view.partition).collect())
    };
    let shares = [owned(&pair[0])?, owned(&pair[1])?];
    if shares[0].len() + shares[1].len() != all {
        bail!("two replicas at rest own {shares:?} of {all} partitions");
    }
    let [one, other] = pair;
    let [of_one, of_other] = shares;
    let (mut victim, theirs, survivor) =
        if of_one.len() >= of_other.len() { (one, of_one, other) } else { (other, of_other, one) };

    let began = Instant::now();
    victim.process.signal(signal).map_err(|reason| anyhow!(reason))?;
    // Where the survivor was when it first owned each: it counts once it is further.
    let mut taken: BTreeMap<i32, i64> = BTreeMap::new();
    survivor.until("that it counts what the other owned", |views| {
        let lost = views.iter().filter(|view| theirs.contains(&view.partition));
        let moved = |view: &PartitionView| {
            view.is_owned() && view.position > *taken.entry(view.partition).or_insert(view.position)
        };
        lost.map(moved).filter(|moved| *moved).count() == theirs.len()
    })?;
    let took = began.elapsed();
    victim.process.wait(PATIENCE).context("a replica outlives its signal")?;
    Ok((survivor, took))
}
