//! `trials`: fault injection, overload and benchmarks of erboh as processes or pods on real Kafka
//! clusters.
//!
//! ```text
//!  cargo xtask chaos ──► trials chaos ──► a cluster, consumers, producers, load, faults ──► verdict
//!  cargo xtask bench-broker ──► trials broker ──► the embedded broker and Apache Kafka ──► rates
//!  cargo xtask bench-restore ──► trials restore ──► one broker, a long log, two consumers ──► times
//!  cargo xtask bench-ingest ──► trials ingest ──► ratings over HTTP and Kafka's own producer ──► rates
//!  cargo xtask overload ──► trials overload ──► a producer and four times its capacity ──► verdict
//!  cargo xtask cluster e2e ──► trials cluster ──► a Kubernetes cluster, load, commits, faults ──► verdict
//! ```
//!
//! A test checks one behaviour; a trial runs a whole system for minutes and judges the result.
//! `cargo xtask` builds the binaries and starts the trials.

mod broker;
mod chaos;
mod cluster;
mod http;
mod ingest;
mod machine;
mod memory;
mod overload;
mod page;
mod perf;
mod producer;
mod ratings;
mod restore;
mod side_by_side;
mod start;
mod stats;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Fault injection, overload and benchmark trials of erboh on real Kafka clusters.
#[derive(Debug, Parser)]
#[command(name = "trials", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    trial: Trial,
}

/// The trials.
#[derive(Debug, Subcommand)]
enum Trial {
    /// Inject faults into a running system and verify exactly-once counting
    Chaos(chaos::Flags),
    /// Benchmark the embedded broker next to Apache Kafka
    Broker(side_by_side::Flags),
    /// Benchmark restarts and take-overs of a consumer on short and long logs
    Restore(restore::Flags),
    /// Benchmark ratings over HTTP next to Kafka's own producer
    Ingest(ingest::Flags),
    /// Offer a producer four times its capacity and check its guarantees
    Overload(overload::Flags),
    /// Run the end-to-end scenario on a Kubernetes cluster: scaling, updates, faults, audit
    Cluster(Box<cluster::Flags>),
    /// The naive consumer, a negative control of the chaos campaign
    #[command(hide = true)]
    NaiveConsumer(chaos::naive::ConsumerFlags),
    /// The naive producer, a negative control of the chaos campaign
    #[command(hide = true)]
    NaiveProducer(chaos::naive::ProducerFlags),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().trial {
        Trial::Chaos(flags) => chaos::run(&flags),
        Trial::Broker(flags) => side_by_side::run(&flags),
        Trial::Restore(flags) => restore::run(&flags),
        Trial::Ingest(flags) => ingest::run(&flags),
        Trial::Overload(flags) => overload::run(&flags),
        Trial::Cluster(flags) => cluster::run(&flags),
        Trial::NaiveConsumer(flags) => flags.run(),
        Trial::NaiveProducer(flags) => flags.run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("trials: {error:#}");
        ExitCode::FAILURE
    })
}
