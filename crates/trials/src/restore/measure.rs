//! The measurements of the benchmark.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use erboh_testbed::Signal;

use super::environment::{Consumer, Environment, PartitionView};
use super::fill::Load;
use crate::broker::Kind;
use crate::start::TIMEOUT;

/// Rest of a group before an action. librdkafka joins at most once per second, so an action right
/// after a rebalance would take longer.
const REST: Duration = Duration::from_secs(2);

/// The measurements at one length of the log.
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) ratings: u64,
    pub(super) times: Times,
}

/// The durations of all runs.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// From the start of the only consumer until it has reached the end of the log.
    pub(super) started: Vec<Duration>,
    /// From SIGTERM until the other replica counts.
    pub(super) stopped: Vec<Duration>,
    /// From SIGKILL until the other replica counts.
    pub(super) killed: Vec<Duration>,
}

/// Counts the new records of the topic; returns the duration.
pub(super) fn count_once(environment: &Environment) -> anyhow::Result<Duration> {
    let (consumer, took) = start(environment)?;
    stop(environment, consumer)?;
    Ok(took)
}

/// Runs every measurement once. No consumer is running before and after.
pub(super) fn once(environment: &Environment, times: &mut Times) -> anyhow::Result<String> {
    let (first, started) = start(environment)?;
    let load = Load::start(environment)?;
    let second = environment.start_consumer()?;
    let (survivor, stopped) = take_over(environment, [first, second], Signal::Terminate)?;
    let third = environment.start_consumer()?;
    let (survivor, killed) = take_over(environment, [survivor, third], Signal::Kill)?;
    drop(load);
    stop(environment, survivor)?;
    times.started.push(started);
    times.stopped.push(stopped);
    times.killed.push(killed);
    let [started, stopped, killed] = [started, stopped, killed].map(|took| took.as_millis());
    Ok(format!("start {started} ms, clean stop {stopped} ms, SIGKILL {killed} ms"))
}

/// Starts the only consumer; returns how long it took until it owned all partitions and had reached
/// the end of the log.
fn start(environment: &Environment) -> anyhow::Result<(Consumer, Duration)> {
    let ends = environment.ends()?;
    let began = Instant::now();
    let consumer = environment.start_consumer()?;
    let caught_up = |(view, end): (&PartitionView, &i64)| view.is_owned() && view.position >= *end;
    consumer.until("the end of the log", |views| {
        views.len() == ends.len() && views.iter().zip(&ends).all(caught_up)
    })?;
    Ok((consumer, began.elapsed()))
}

fn stop(environment: &Environment, mut consumer: Consumer) -> anyhow::Result<()> {
    consumer.process.signal(Signal::Terminate).map_err(|reason| anyhow!(reason))?;
    let status = consumer.process.wait(TIMEOUT).context("a consumer did not stop")?;
    if !status.success() {
        bail!("a consumer stopped with {status}");
    }
    environment.wait_for_members(0)
}

/// Stops the replica that owns more partitions; returns the other one, and how long it took until
/// that counted all partitions of the stopped one.
fn take_over(
    environment: &Environment,
    pair: [Consumer; 2],
    signal: Signal,
) -> anyhow::Result<(Consumer, Duration)> {
    let all = environment.partitions as usize;
    for replica in &pair {
        replica.until("all partitions", |views| views.len() == all)?;
    }
    environment.wait_for_members(2)?;
    std::thread::sleep(REST);
    environment.wait_for_members(2)?;
    let owned = |replica: &Consumer| -> anyhow::Result<Vec<i32>> {
        let views = replica.partitions().context("a replica does not respond")?;
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
    // The position of the survivor when it first owned a partition: it counts once it is further.
    let mut taken: BTreeMap<i32, i64> = BTreeMap::new();
    survivor.until("progress in the partitions of the stopped replica", |views| {
        let lost = views.iter().filter(|view| theirs.contains(&view.partition));
        let moved = |view: &PartitionView| {
            view.is_owned() && view.position > *taken.entry(view.partition).or_insert(view.position)
        };
        lost.map(moved).filter(|moved| *moved).count() == theirs.len()
    })?;
    let took = began.elapsed();
    victim.process.wait(TIMEOUT).context("a replica survived its signal")?;
    Ok((survivor, took))
}
