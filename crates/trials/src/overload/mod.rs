//! Overload: a producer that is offered four times its capacity.
//!
//! ```text
//!  one broker, one producer
//!    capacity: CLIENTS closed-loop clients                  ─► rate R
//!    baseline: many clients that offer R                    ─► p99 latency
//!    overload: the same clients offer 4 × R, ignoring rejections
//!              ├─► memory of the producer, sampled four times per second
//!              └─► acknowledged ratings (partition, offset, id), rejections and their form
//!    recount:  every acknowledged rating is in the log at its offset
//! ```
//!
//! Half of the clients send single ratings, the others NDJSON with some hundred lines.

mod criteria;
mod load;
mod recount;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;

use self::criteria::Findings;
use self::load::{Load, Outcome};
use crate::broker::{Broker, Kind};
use crate::memory::Memory;
use crate::producer::Producer;
use crate::start::{self, TIMEOUT};

/// Factor between the offered load and the capacity.
const FACTOR: u32 = 4;
/// Partitions of the topic, the default of the roles.
const PARTITIONS: u32 = 6;
/// Clients of each kind that measure the capacity: enough to keep the producer busy, few enough to
/// cause no rejection.
const CLIENTS: u32 = 16;
/// Opens connections and grows buffers before the first measurement.
const WARM_UP: Duration = Duration::from_secs(2);

/// Command-line options of the trial.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Duration of the overload in seconds; the phases before it take half as long together
    #[arg(long, default_value_t = 60, value_name = "N",
          value_parser = clap::value_parser!(u64).range(4..=86_400))]
    seconds: u64,
    /// The broker
    #[arg(long, value_enum, default_value = "kafka", value_name = "NAME")]
    broker: Kind,
    /// Check latencies too, which is only meaningful on an otherwise idle machine
    #[arg(long)]
    judge_times: bool,
    /// The erboh binary [default: next to this program]
    #[arg(long, value_name = "PATH")]
    erboh: Option<PathBuf>,
    /// Directory for logs and data; removed after a successful trial
    #[arg(long, default_value = "target/overload", value_name = "DIR")]
    directory: PathBuf,
}

/// Runs the trial. The exit code tells whether all criteria were met.
pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    start::empty(&flags.directory)?;
    let erboh = start::erboh(flags.erboh.as_deref())?;
    let broker = Broker::start(flags.broker, &erboh, &flags.directory)?;
    let program = [erboh.to_str().unwrap_or_default()];
    let producer = Producer::start(&program, &broker.bootstrap, PARTITIONS, &flags.directory)?;

    let overload = Duration::from_secs(flags.seconds);
    drop(Load::at_capacity(&producer, CLIENTS).run(WARM_UP)?);
    let capacity = Load::at_capacity(&producer, CLIENTS).run(overload / 4)?;
    println!("capacity: {capacity}");
    let rate = capacity.acknowledged_per_s();
    if rate <= 0.0 {
        bail!("nothing was acknowledged; see {}", flags.directory.join("producer.log").display());
    }
    let baseline = Load::above(&producer, CLIENTS, 1, rate).run(overload / 4)?;
    println!("baseline: {baseline}");
    let sampler = Memory::sample(producer.process.pid());
    let overload = Load::above(&producer, CLIENTS, FACTOR, rate).run(overload)?;
    let memory = sampler.finish()?;
    println!("overload, {FACTOR} times the capacity: {overload}");
    println!("memory of the producer: {memory}");
    // Retried like a rejected client would: ratings in flight occupy the budget until the broker
    // has answered.
    let ended = Instant::now();
    let after = loop {
        let after = Load::at_capacity(&producer, 1).run(WARM_UP)?;
        println!("afterwards: {after}");
        if after.rejected == 0 || ended.elapsed() > TIMEOUT {
            break after;
        }
    };

    let outcomes: Vec<&Outcome> = vec![&capacity, &baseline, &overload, &after];
    let missing = recount::missing(&broker.bootstrap, PARTITIONS, &outcomes)?;
    let findings = Findings {
        capacity: &capacity,
        baseline: &baseline,
        overload: &overload,
        after: &after,
        memory,
        missing,
    };
    let failures = findings.failures(flags.judge_times);
    if failures.is_empty() {
        println!("pass: {}", findings.summary());
        drop((producer, broker));
        std::fs::remove_dir_all(&flags.directory)?;
        return Ok(ExitCode::SUCCESS);
    }
    for failure in failures {
        println!("FAIL: {failure}");
    }
    println!("logs are in {}", flags.directory.display());
    Ok(ExitCode::FAILURE)
}
