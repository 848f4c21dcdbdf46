//! Ingest benchmark: throughput of ratings over HTTP, next to Kafka's own producer with the same
//! bytes.
//!
//! ```text
//!  core 0: the process under test         other cores: Apache Kafka and the load client
//!  ─────────────────────────────          ─────────────────────────────────────────────────────
//!  erboh producer  ◄──── NDJSON ────────  CONNECTIONS clients: prepared bytes, results counted
//!        └─────────── acks=all ────────►  topic with 6 partitions
//!  kafka-producer-perf-test ─acks=all──►  another topic with 6 partitions
//! ```
//!
//! Both run on the same core with the same compression and the same records (the peer's value is
//! our key and value), alternating and several times. The latency of a single rating is measured at
//! low load, each POST next to a record of a bare Kafka client.

mod latency;
mod ours;
mod peer;
mod pinning;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use self::latency::Latency;
use self::ours::Upload;
use self::peer::Peer;
use crate::broker::{Broker, Kind};
use crate::page::PageFlags;
use crate::producer::Producer;
use crate::start;

/// Partitions of both topics, the default of the roles.
const PARTITIONS: u32 = 6;
/// The compression of both sides, the default of erboh.
const COMPRESSION: &str = "lz4";

/// Command-line options of the benchmark.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Number of runs; the report has the medians
    #[arg(long, default_value_t = 5, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Ratings that each side sends per run
    #[arg(long, default_value_t = 2_000_000, value_name = "N",
          value_parser = clap::value_parser!(u64).range(100_000..=1_000_000_000))]
    ratings: u64,
    /// Single ratings whose latency is measured per run
    #[arg(long, default_value_t = 1_000, value_name = "N",
          value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    singles: u32,
    /// Where the report is written.
    #[command(flatten)]
    page: PageFlags,
    /// The erboh binary [default: next to this program]
    #[arg(long, value_name = "PATH")]
    erboh: Option<PathBuf>,
    /// Directory for logs and data; removed after a successful benchmark
    #[arg(long, default_value = "target/ingest", value_name = "DIR")]
    directory: PathBuf,
}

/// The measurements, one entry per run.
#[derive(Debug, Default)]
struct Series {
    ours_per_s: Vec<f64>,
    peer_per_s: Vec<f64>,
    latency: Vec<Latency>,
}

/// Runs the benchmark.
pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    // Inherited by all children but the process under test.
    pinning::leave_first_core()?;
    start::empty(&flags.directory)?;
    let erboh = start::erboh(flags.erboh.as_deref())?;
    let broker = Broker::start(Kind::Kafka, &erboh, &flags.directory)?;
    let erboh = erboh.to_str().context("the path of erboh is not UTF-8")?;
    let program = [&pinning::PIN_TO_FIRST_CORE[..], &[erboh]].concat();
    let producer = Producer::start(&program, &broker.bootstrap, PARTITIONS, &flags.directory)?;
    let upload = Upload::prepare(&producer);
    let peer = Peer::prepare(&broker.bootstrap, &flags.directory)?;

    println!("warming up");
    upload.run(flags.ratings / 2)?;
    let mut series = Series::default();
    for run in 1..=flags.runs {
        // The order alternates, so that other activity on the machine affects both.
        if run.is_multiple_of(2) {
            series.peer_per_s.push(peer.run(flags.ratings, run)?);
            series.ours_per_s.push(upload.run(flags.ratings)?);
        } else {
            series.ours_per_s.push(upload.run(flags.ratings)?);
            series.peer_per_s.push(peer.run(flags.ratings, run)?);
        }
        series.latency.push(latency::measure(&producer, &broker.bootstrap, flags.singles)?);
        println!("run {run}: {}", report::line(&series));
    }
    drop((producer, broker));
    let text = report::text(&series, flags);
    println!("\n{text}");
    flags.page.update("bench-ingest", &text)?;
    std::fs::remove_dir_all(&flags.directory)?;
    Ok(ExitCode::SUCCESS)
}
