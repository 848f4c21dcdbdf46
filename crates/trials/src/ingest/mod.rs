//! Ingest: how fast ratings come in over HTTP, next to Kafka's own producer with the same bytes.
//!
//! ```text
//!  core 0: whoever is measured            other cores: Apache Kafka, and who sends the requests
//!  ─────────────────────────────          ─────────────────────────────────────────────────────
//!  erboh producer  ◄──── NDJSON ────────  CONNECTIONS clients: prepared bytes, answers counted
//!        └─────────── acks=all ────────►  topic with 6 partitions
//!  kafka-producer-perf-test ─acks=all──►  another one, just like it
//! ```
//!
//! Both are given the same core, the same records (key and value of ours are the value of theirs)
//! and the same compression, in turn and several times. What a single rating has to wait for is
//! measured at low load, each POST next to a record that a bare Kafka client sends.

mod cores;
mod latency;
mod ours;
mod peer;
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

/// Partitions of both topics, as the roles create them.
const PARTITIONS: u32 = 6;
/// What both sides compress with: what erboh chooses.
const COMPRESSION: &str = "lz4";

/// What the measurement is told.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// How often everything is measured; the table has the medians
    #[arg(long, default_value_t = 5, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Ratings that each side sends in a run
    #[arg(long, default_value_t = 2_000_000, value_name = "N",
          value_parser = clap::value_parser!(u64).range(100_000..=1_000_000_000))]
    ratings: u64,
    /// Single ratings whose answers are timed in a run
    #[arg(long, default_value_t = 1_000, value_name = "N",
          value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    singles: u32,
    /// Where the report goes.
    #[command(flatten)]
    page: PageFlags,
    /// The erboh to measure; without it the one beside this program
    #[arg(long, value_name = "PATH")]
    erboh: Option<PathBuf>,
    /// Where logs and data go; removed after a measurement that came to its end
    #[arg(long, default_value = "target/ingest", value_name = "DIR")]
    directory: PathBuf,
}

/// What was measured, one entry a run.
#[derive(Debug, Default)]
struct Series {
    ours_per_s: Vec<f64>,
    peer_per_s: Vec<f64>,
    latency: Vec<Latency>,
}

/// Measures.
pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    // Everything that is started from here on inherits it, but for whoever is measured.
    cores::leave_the_first()?;
    start::empty(&flags.directory)?;
    let erboh = start::erboh(flags.erboh.as_deref())?;
    let broker = Broker::start(Kind::Kafka, &erboh, &flags.directory)?;
    let erboh = erboh.to_str().context("the path of erboh is not text")?;
    let program = [&cores::ON_THE_FIRST[..], &[erboh]].concat();
    let producer = Producer::start(&program, &broker.bootstrap, PARTITIONS, &flags.directory)?;
    let upload = Upload::prepare(&producer);
    let peer = Peer::prepare(&broker.bootstrap, &flags.directory)?;

    println!("warming up");
    upload.run(flags.ratings / 2)?;
    let mut series = Series::default();
    for run in 1..=flags.runs {
        // Who goes first alternates, so that what else the machine does hits both.
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
    flags.page.take("bench-ingest", &text)?;
    std::fs::remove_dir_all(&flags.directory)?;
    Ok(ExitCode::SUCCESS)
}
