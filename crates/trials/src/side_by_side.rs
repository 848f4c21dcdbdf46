//! Broker benchmark: the embedded broker next to Apache Kafka.
//!
//! ```text
//!  start-up and idle memory of each, several times
//!  both running, both warmed ──► for 1 and 6 partitions, several runs, the brokers in turn:
//!      new topic ─► produce at full speed ─► consume it all ─► produce at a fixed rate
//!  the same with each codec: new topic ─► produce at full speed
//!  ──► medians ──► a Markdown table
//! ```
//!
//! Both brokers keep running and are measured one at a time in alternating order, so that other
//! activity on the machine affects both. The client is Apache Kafka's, in a new JVM for every
//! measurement.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::broker::{Broker, Kind};
use crate::page::PageFlags;
use crate::stats::{median, ms};
use crate::{machine, perf, start};

const KINDS: [Kind; 2] = [Kind::Embedded, Kind::Kafka];
const PARTITIONS: [u32; 2] = [1, 6];
/// Both brokers decompress what they are sent, to look at every record.
const CODECS: [&str; 4] = ["gzip", "snappy", "lz4", "zstd"];
const RECORD_BYTES: usize = 100;
/// Latency is measured well below saturation: at full speed it only reflects the length of the
/// producer's queue.
const STEADY_PER_S: u64 = 10_000;
const STEADY_SECONDS: u64 = 10;
/// Enough to warm up the JIT compiler of a JVM.
const WARM_UP_RECORDS: u64 = 500_000;

/// Command-line options of the benchmark.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Number of runs; the report has the medians
    #[arg(long, default_value_t = 5, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Records per run at full speed
    #[arg(long, default_value_t = 2_000_000, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    records: u64,
    /// Where the report is written.
    #[command(flatten)]
    page: PageFlags,
    /// The erboh binary [default: next to this program]
    #[arg(long, value_name = "PATH")]
    erboh: Option<PathBuf>,
    /// Directory for logs and data; removed after a successful benchmark
    #[arg(long, default_value = "target/broker", value_name = "DIR")]
    directory: PathBuf,
}

/// The measurements of all runs of one broker.
#[derive(Default)]
struct Series {
    records_per_s: Vec<f64>,
    consumed_per_s: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    full_p99_ms: Vec<f64>,
}

/// Runs the benchmark.
pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    start::empty(&flags.directory)?;
    let erboh = start::erboh(flags.erboh.as_deref())?;
    let rows = measure(flags, |kind, name| {
        let directory = flags.directory.join(format!("{}-{name}", kind.name().replace(' ', "-")));
        start::empty(&directory)?;
        Broker::start(kind, &erboh, &directory)
    })?;
    let text = report(flags, &rows);
    println!("\n{text}");
    flags.page.update("bench-broker", &text)?;
    std::fs::remove_dir_all(&flags.directory)?;
    Ok(ExitCode::SUCCESS)
}

/// All measurements, in the order of the module documentation.
fn measure(
    flags: &Flags,
    start: impl Fn(Kind, &str) -> anyhow::Result<Broker>,
) -> anyhow::Result<Vec<String>> {
    let mut rows = Vec::new();
    let mut startup_ms = [Vec::new(), Vec::new()];
    let mut idle_mb = [Vec::new(), Vec::new()];
    for run in 1..=flags.runs {
        for (index, kind) in KINDS.into_iter().enumerate() {
            let broker = start(kind, &run.to_string())?;
            startup_ms[index].push(ms(broker.startup));
            idle_mb[index].push(broker.resident_mb()?);
        }
    }
    rows.push(row("start to first answer, ms", &startup_ms));
    rows.push(row("memory when idle, MB", &idle_mb));

    let brokers = [start(KINDS[0], "measured")?, start(KINDS[1], "measured")?];
    for broker in &brokers {
        one_run(broker, "warm-up", PARTITIONS[1], WARM_UP_RECORDS, &mut Series::default())?;
    }
    for partitions in PARTITIONS {
        rows.extend(rows_of(partitions, &alternate(flags, &brokers, partitions)?));
    }
    for codec in CODECS {
        rows.push(compressed(flags, &brokers, codec)?);
    }
    let after_mb = [vec![brokers[0].resident_mb()?], vec![brokers[1].resident_mb()?]];
    rows.push(row("memory after all this, MB", &after_mb));
    Ok(rows)
}

/// Measures both brokers in several runs; the order changes from run to run.
fn alternate(flags: &Flags, brokers: &[Broker; 2], partitions: u32) -> anyhow::Result<[Series; 2]> {
    let mut series = [Series::default(), Series::default()];
    for run in 0..flags.runs {
        for turn in 0..2 {
            let index = (run as usize + turn) % 2;
            let topic = format!("bench-{partitions}-{run}");
            println!("{topic}: {}", KINDS[index].name());
            one_run(&brokers[index], &topic, partitions, flags.records, &mut series[index])?;
        }
    }
    Ok(series)
}

/// Several runs with batches that the client compresses.
fn compressed(flags: &Flags, brokers: &[Broker; 2], codec: &str) -> anyhow::Result<String> {
    let partitions = PARTITIONS[1];
    let mut records_per_s = [Vec::new(), Vec::new()];
    for run in 0..flags.runs {
        for turn in 0..2 {
            let index = (run as usize + turn) % 2;
            let (bootstrap, topic) = (&brokers[index].bootstrap, format!("bench-{codec}-{run}"));
            println!("{topic}: {}", KINDS[index].name());
            perf::create_topic(bootstrap, &topic, partitions)?;
            let mut tool = perf::producer(bootstrap, &topic, flags.records);
            tool.arg(format!("compression.type={codec}"));
            tool.args(["--record-size", &RECORD_BYTES.to_string(), "--throughput", "-1"]);
            records_per_s[index].push(perf::run_producer(&mut tool, flags.records)?.records_per_s);
        }
    }
    Ok(row(&format!("{partitions} partitions, {codec}: produced, records/s"), &records_per_s))
}

fn one_run(
    broker: &Broker,
    topic: &str,
    partitions: u32,
    records: u64,
    series: &mut Series,
) -> anyhow::Result<()> {
    let bootstrap = &broker.bootstrap;
    let produce = |records: u64, per_s_max: &str| {
        let mut tool = perf::producer(bootstrap, topic, records);
        tool.args(["--record-size", &RECORD_BYTES.to_string(), "--throughput", per_s_max]);
        perf::run_producer(&mut tool, records)
    };
    perf::create_topic(bootstrap, topic, partitions)?;
    let full = produce(records, "-1")?;
    series.records_per_s.push(full.records_per_s);
    series.full_p99_ms.push(full.p99_ms);
    series.consumed_per_s.push(perf::consume(bootstrap, topic, perf::with_warm_up(records))?);
    let paced = produce(STEADY_PER_S * STEADY_SECONDS, &STEADY_PER_S.to_string())?;
    series.p50_ms.push(paced.p50_ms);
    series.p99_ms.push(paced.p99_ms);
    Ok(())
}

fn rows_of(partitions: u32, series: &[Series; 2]) -> Vec<String> {
    let of = |values: fn(&Series) -> &Vec<f64>| [0, 1].map(|i| values(&series[i]).clone());
    let at = if partitions == 1 { "1 partition" } else { "6 partitions" };
    let steady = format!("at {STEADY_PER_S} records/s");
    vec![
        row(&format!("{at}: produced, records/s"), &of(|each| &each.records_per_s)),
        row(&format!("{at}: ack p99 at full speed, ms"), &of(|each| &each.full_p99_ms)),
        row(&format!("{at}: ack p50 {steady}, ms"), &of(|each| &each.p50_ms)),
        row(&format!("{at}: ack p99 {steady}, ms"), &of(|each| &each.p99_ms)),
        row(&format!("{at}: consumed, records/s"), &of(|each| &each.consumed_per_s)),
    ]
}

/// A table row: medians and their ratio.
fn row(label: &str, values: &[Vec<f64>; 2]) -> String {
    let [ours, kafka] = [median(&values[0]), median(&values[1])];
    let digits = usize::from(ours < 100.0);
    format!("| {label} | {ours:.digits$} | {kafka:.digits$} | {:.2} |", ours / kafka)
}

fn report(Flags { runs, records, .. }: &Flags, rows: &[String]) -> String {
    format!(
        "`cargo xtask bench-broker --runs {runs} --records {records}` on {}, medians of {runs} \
         runs:\n\n\
         | | embedded broker | Apache Kafka | ratio |\n|---|---:|---:|---:|\n{}\n",
        machine::today(),
        rows.join("\n")
    )
}
