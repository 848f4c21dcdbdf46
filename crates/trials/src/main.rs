//! `trials`: erboh as processes or pods on real Kafka clusters, under faults and measured.
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
//! Tests ask whether one thing works; a trial runs everything for minutes and asks what came of
//! it. `cargo xtask` builds the binaries and starts the trials.

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

/// erboh as processes on real Kafka clusters, under faults and measured.
#[derive(Debug, Parser)]
#[command(name = "trials", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    trial: Trial,
}

/// What can be tried.
#[derive(Debug, Subcommand)]
enum Trial {
    /// Break a running system on purpose, again and again, and see whether every rating counts once
    Chaos(chaos::Flags),
    /// Measure the embedded broker next to Apache Kafka
    Broker(side_by_side::Flags),
    /// Measure how long a consumer takes to be where it was, on short and on long logs
    Restore(restore::Flags),
    /// Measure how fast ratings come in over HTTP, next to Kafka's own producer
    Ingest(ingest::Flags),
    /// Offer a producer four times what it can take, and see whether it keeps its promises
    Overload(overload::Flags),
    /// Tell the story of a Kubernetes cluster under load: scaling, updates, faults, audit
    Cluster(Box<cluster::Flags>),
    /// A consumer that the campaign must catch
    #[command(hide = true)]
    NaiveConsumer(chaos::naive::ConsumerFlags),
    /// A producer that the campaign must catch
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
