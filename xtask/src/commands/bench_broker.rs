//! `cargo xtask bench-broker`: the embedded broker next to Apache Kafka.
//!
//! ```text
//!  start-up and idle memory of each, several times
//!  both running, both warmed ──► for 1 and 6 partitions, several runs, the brokers in turn:
//!      new topic ─► produce at full speed ─► consume it all ─► produce at a fixed rate
//!  ──► medians ──► a Markdown table
//! ```
//!
//! Both brokers keep running all the time and are measured one after the other, in alternating
//! order, so that what else the machine does hits both. The client is Apache Kafka's, on a JVM
//! of its own for every measurement.

use std::path::Path;

use super::Command;
use crate::bench::candidate::{Candidate, Kind};
use crate::bench::{machine, median, perf};
use crate::{Outcome, process, repository};

pub(crate) const COMMAND: Command = Command {
    name: "bench-broker",
    summary: "measure the embedded broker next to Apache Kafka (--runs N, --records N, --write)",
    run,
};

const KINDS: [Kind; 2] = [Kind::Embedded, Kind::ApacheKafka];
const PARTITIONS: [u32; 2] = [1, 6];
/// Latency is measured well below saturation: at full speed it is only the length of the
/// producer's own queue.
const STEADY_PER_S: u64 = 10_000;
const STEADY_SECONDS: u64 = 10;
/// A JVM that has seen this much has compiled what it will compile.
const WARM_UP_RECORDS: u64 = 500_000;
const PAGE: &str = "docs/benchmarks.md";
const MARKS: [&str; 2] = ["<!-- bench-broker: begin -->\n", "<!-- bench-broker: end -->\n"];

/// How much to measure.
struct Plan {
    runs: usize,
    records: u64,
    write: bool,
}

/// What was measured in each run, per broker.
#[derive(Default)]
struct Series {
    records_per_s: Vec<f64>,
    consumed_per_s: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    full_p99_ms: Vec<f64>,
}

fn run(arguments: &[String]) -> Outcome {
    let plan = parse(arguments)?;
    let mut build = process::cargo();
    process::run(build.args(["build", "--release", "--package", "erboh", "--locked"]))?;
    let directory = repository::target("bench");
    // After an error the brokers' logs stay there to be read.
    let table = measure(&plan, &directory)?;
    std::fs::remove_dir_all(&directory)
        .map_err(|error| format!("removing {}: {error}", directory.display()))?;
    println!("{table}");
    if plan.write { write(&table) } else { Ok(()) }
}

fn parse(arguments: &[String]) -> Result<Plan, String> {
    let mut plan = Plan { runs: 5, records: 2_000_000, write: false };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut number = || {
            let text = words.next().ok_or_else(|| format!("`{word}` needs a number"))?;
            let value: u64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
            if value == 0 { Err(format!("`{word}` must be at least 1")) } else { Ok(value) }
        };
        match word.as_str() {
            "--runs" => plan.runs = number()? as usize,
            "--records" => plan.records = number()?,
            "--write" => plan.write = true,
            _ => return Err(format!("`{word}` is not an option: --runs N, --records N, --write")),
        }
    }
    Ok(plan)
}

/// Everything, in the order in which the module's documentation draws it.
fn measure(plan: &Plan, directory: &Path) -> Result<String, String> {
    let mut rows = Vec::new();
    let mut startup_ms = [Vec::new(), Vec::new()];
    let mut idle_mb = [Vec::new(), Vec::new()];
    for _ in 0..plan.runs {
        for (index, kind) in KINDS.into_iter().enumerate() {
            let candidate = Candidate::start(kind, directory)?;
            startup_ms[index].push(candidate.startup.as_secs_f64() * 1000.0);
            idle_mb[index].push(candidate.resident_mb()?);
        }
    }
    rows.push(row("start to first answer, ms", &startup_ms));
    rows.push(row("memory when idle, MB", &idle_mb));

    let candidates =
        [Candidate::start(KINDS[0], directory)?, Candidate::start(KINDS[1], directory)?];
    for candidate in &candidates {
        let mut unused = Series::default();
        one_run(candidate, "warm-up", PARTITIONS[1], WARM_UP_RECORDS, &mut unused)?;
    }
    for partitions in PARTITIONS {
        let series = alternate(plan, &candidates, partitions)?;
        rows.extend(rows_of(partitions, &series));
    }
    let after_mb = [vec![candidates[0].resident_mb()?], vec![candidates[1].resident_mb()?]];
    rows.push(row("memory after all this, MB", &after_mb));
    Ok(page(plan, &rows))
}

/// Several runs with both brokers; who goes first changes from run to run.
fn alternate(
    plan: &Plan,
    candidates: &[Candidate; 2],
    partitions: u32,
) -> Result<[Series; 2], String> {
    let mut series = [Series::default(), Series::default()];
    for number in 0..plan.runs {
        for turn in 0..2 {
            let index = (number + turn) % 2;
            let topic = format!("bench-{partitions}-{number}");
            eprintln!("{topic}: {}", name(candidates[index].kind));
            one_run(&candidates[index], &topic, partitions, plan.records, &mut series[index])?;
        }
    }
    Ok(series)
}

fn one_run(
    candidate: &Candidate,
    topic: &str,
    partitions: u32,
    records: u64,
    series: &mut Series,
) -> Outcome {
    let broker = candidate.address;
    perf::create_topic(broker, topic, partitions)?;
    let (sent, full) = perf::produce(broker, topic, records, None)?;
    series.records_per_s.push(full.records_per_s);
    series.full_p99_ms.push(full.p99_ms);
    series.consumed_per_s.push(perf::consume(broker, topic, sent)?);
    let steady = STEADY_PER_S * STEADY_SECONDS;
    let (_, paced) = perf::produce(broker, topic, steady, Some(STEADY_PER_S))?;
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

/// A row of the table: medians, and their ratio.
fn row(label: &str, values: &[Vec<f64>; 2]) -> String {
    let [ours, kafka] = [median(&values[0]), median(&values[1])];
    let digits = usize::from(ours < 100.0);
    format!("| {label} | {ours:.digits$} | {kafka:.digits$} | {:.2} |", ours / kafka)
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Embedded => "embedded broker",
        Kind::ApacheKafka => "Apache Kafka",
    }
}

fn page(plan: &Plan, rows: &[String]) -> String {
    let [ours, kafka] = KINDS.map(name);
    format!(
        "`cargo xtask bench-broker --runs {} --records {}` on {} ({}), medians of {} runs:\n\n\
         | | {ours} | {kafka} | ratio |\n|---|---:|---:|---:|\n{}\n",
        plan.runs,
        plan.records,
        machine::date(),
        machine::facts(),
        plan.runs,
        rows.join("\n")
    )
}

/// Puts the table between the marks of the page about benchmarks.
fn write(table: &str) -> Outcome {
    let path = repository::path(PAGE);
    let failed = |what: &str, why: &dyn std::fmt::Display| format!("{what} {PAGE}: {why}");
    let old = std::fs::read_to_string(&path).map_err(|error| failed("reading", &error))?;
    let new = replaced(&old, table).ok_or_else(|| failed("writing", &"its marks are missing"))?;
    std::fs::write(&path, new).map_err(|error| failed("writing", &error))
}

fn replaced(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(MARKS[0])?;
    let (_, after) = rest.split_once(MARKS[1])?;
    Some(format!("{before}{}\n{table}\n{}{after}", MARKS[0], MARKS[1]))
}

#[cfg(test)]
mod tests {
    use super::{MARKS, replaced};

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("a\n{}old\n{}z\n", MARKS[0], MARKS[1]);
        let wanted = format!("a\n{}\nnew\n\n{}z\n", MARKS[0], MARKS[1]);
        assert_eq!(replaced(&page, "new\n"), Some(wanted));
        assert_eq!(replaced("no marks", "new\n"), None);
    }
}
