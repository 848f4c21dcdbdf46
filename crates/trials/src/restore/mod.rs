//! Restore benchmark: the time of restarts and take-overs of a consumer, by length of the log.
//!
//! ```text
//!  for each broker, one growing topic:
//!    fill up to n ratings ─► count them once ─► several times:
//!        all stopped    ─► start one    ─► until all partitions are owned and at the log's end
//!        two, under load ─► SIGTERM one ─► until the other counts its partitions
//!        two, under load ─► SIGKILL one ─► until the other counts its partitions
//! ```
//!
//! Everything is measured from outside, through `GET /api/v1/partitions`.

mod environment;
mod fill;
mod measure;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use environment::Environment;
use measure::{Row, Times};

use crate::broker::Kind;
use crate::page::PageFlags;
use crate::start;

/// Command-line options of the benchmark.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Lengths of the log at which to measure, in ratings, ascending
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 1_000_000, 10_000_000],
          value_name = "N,…", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    ratings: Vec<u64>,
    /// Number of runs; the report has the medians
    #[arg(long, default_value_t = 5, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Partitions of the topic. With one, its duplicate window is full from 131,072 ratings on
    #[arg(long, default_value_t = 1, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=100))]
    partitions: u32,
    /// The broker to measure on [default: both]
    #[arg(long, value_enum, value_name = "NAME")]
    broker: Option<Kind>,
    /// Where the report is written.
    #[command(flatten)]
    page: PageFlags,
    /// The erboh binary [default: next to this program]
    #[arg(long, value_name = "PATH")]
    erboh: Option<PathBuf>,
    /// Directory for logs and data; removed after a successful benchmark
    #[arg(long, default_value = "target/restore", value_name = "DIR")]
    directory: PathBuf,
}

/// Runs the benchmark.
pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    if !flags.ratings.is_sorted() {
        bail!("--ratings must be ascending, because one log grows from each length to the next");
    }
    let kinds = flags.broker.map_or(vec![Kind::Embedded, Kind::Kafka], |kind| vec![kind]);
    let mut rows = Vec::new();
    for kind in kinds {
        let environment = Environment::set_up(
            kind,
            &start::erboh(flags.erboh.as_deref())?,
            &flags.directory,
            flags.partitions,
        )?;
        let mut filled = 0;
        for &ratings in &flags.ratings {
            println!("{}: filling up to {ratings} ratings", kind.name());
            let filling = fill::fill(&environment, ratings - filled)?;
            filled = ratings;
            let counting = measure::count_once(&environment)?;
            let speed = (filling.as_secs_f64(), counting.as_secs_f64());
            println!("  filled in {:.1} s, counted in {:.1} s", speed.0, speed.1);
            let mut times = Times::default();
            for run in 1..=flags.runs {
                let line = measure::once(&environment, &mut times)?;
                println!("  run {run}: {line}");
            }
            rows.push(Row { kind, ratings, times });
        }
        environment.tear_down()?;
    }
    let table = report::table(&rows, flags.runs, flags.partitions);
    println!("\n{table}");
    flags.page.update("restore", &table)?;
    Ok(ExitCode::SUCCESS)
}
