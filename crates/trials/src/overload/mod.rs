//! Overload: a producer that is offered four times what it can take.
//!
//! ```text
//!  a broker, one producer
//!    capacity: CLIENTS clients that wait for their answers  ─► rate R
//!    usual:    many clients that offer R                    ─► p99 of the answers
//!    overload: the same clients offer 4 × R, whatever they are answered
//!              ├─► memory of the producer, four times a second
//!              └─► who was taken (partition, offset, id), who was refused, and how
//!    recount:  everything that was acknowledged is in the log, at its place
//! ```
//!
//! Half of the clients send single ratings, the others send some hundred lines of NDJSON at a time.

mod judge;
mod load;
mod recount;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;

use self::judge::Findings;
use self::load::{Load, Outcome};
use crate::broker::{Broker, Kind};
use crate::memory::Memory;
use crate::producer::Producer;
use crate::start::{self, PATIENCE};

/// How much more than the capacity is offered.
const FACTOR: u32 = 4;
/// Partitions of the topic, as the roles create it.
const PARTITIONS: u32 = 6;
/// Clients of each kind by which the capacity is found: enough that the producer always has work,
/// and few enough that nobody is refused.
const CLIENTS: u32 = 16;
/// Before anything is measured: connections are made, buffers have grown.
const WARM_UP: Duration = Duration::from_secs(2);

/// What the trial is told.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// How long too much is offered, in seconds; before that, less is for half as long
    #[arg(long, default_value_t = 60, value_name = "N",
          value_parser = clap::value_parser!(u64).range(4..=86_400))]
    seconds: u64,
    /// The broker
    #[arg(long, value_enum, default_value = "kafka", value_name = "NAME")]
    broker: Kind,
    /// Judge the answering times, too: only where nothing else runs do they mean anything
    #[arg(long)]
    judge_times: bool,
    /// The erboh to try; without it the one beside this program
    #[arg(long, value_name = "PATH")]
    erboh: Option<PathBuf>,
    /// Where logs and data go; removed after a trial that passed
    #[arg(long, default_value = "target/overload", value_name = "DIR")]
    directory: PathBuf,
}

/// Tries it. The exit code says whether it held.
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
    let usual = Load::above(&producer, CLIENTS, 1, rate).run(overload / 4)?;
    println!("as much offered: {usual}");
    let memory = Memory::watch(producer.process.pid());
    let pressed = Load::above(&producer, CLIENTS, FACTOR, rate).run(overload)?;
    let memory = memory.finish()?;
    println!("{FACTOR} times as much offered: {pressed}");
    println!("memory of the producer: {memory}");
    // As clients do that were refused, it comes back when the crowd is gone: what the queue has not
    // answered for yet keeps its room until it has.
    let gone = Instant::now();
    let after = loop {
        let after = Load::at_capacity(&producer, 1).run(WARM_UP)?;
        println!("afterwards: {after}");
        if after.refused == 0 || gone.elapsed() > PATIENCE {
            break after;
        }
    };

    let acknowledged: Vec<&Outcome> = vec![&capacity, &usual, &pressed, &after];
    let missing = recount::missing(&broker.bootstrap, PARTITIONS, &acknowledged)?;
    let findings = Findings {
        capacity: &capacity,
        usual: &usual,
        pressed: &pressed,
        after: &after,
        memory,
        missing,
    };
    let faults = findings.faults(flags.judge_times);
    if faults.is_empty() {
        println!("pass: {}", findings.summary());
        drop((producer, broker));
        std::fs::remove_dir_all(&flags.directory)?;
        return Ok(ExitCode::SUCCESS);
    }
    for fault in faults {
        println!("FAIL: {fault}");
    }
    println!("logs are in {}", flags.directory.display());
    Ok(ExitCode::FAILURE)
}
