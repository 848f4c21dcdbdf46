//! Cluster: the story of a cluster under load, from everything Ready to an audit.
//!
//! ```text
//!  load ─► producer's node port ══ Kafka ══► board ◄─ watch
//!   └ ledger                                   │
//!  steps: commits, deleted pods, cut nodes …   │ after each: all Ready, a new rating counted
//!   └► table      recount, audit ◄─────────────┘ lost 0, double 0
//! ```
//!
//! Nothing is done behind the cluster's back: what changes is committed to where Flux looks, and
//! what breaks is broken with kubectl, as a person would.

mod books;
mod gauge;
mod kube;
mod load;
mod node;
mod recount;
mod report;
mod steps;
mod story;
mod tree;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::page::PageFlags;

/// What the story is told.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The kubeconfig that names the cluster; without it and --context the kind cluster `erboh`
    #[arg(long, value_name = "PATH")]
    kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Where the producer's page is
    #[arg(long, default_value = "http://127.0.0.1:30080", value_name = "URL")]
    producer_url: String,
    /// Where the board is
    #[arg(long, default_value = "http://127.0.0.1:30081", value_name = "URL")]
    board_url: String,
    /// Where Kafka is, for clients outside of the cluster
    #[arg(long, default_value = "127.0.0.1:32100", value_name = "HOST:PORT,…")]
    brokers: String,
    /// The registry that `cluster up` has pushed to, if Flux looks there and not into git
    #[arg(long, default_value = "127.0.0.1:5001", value_name = "HOST:PORT")]
    registry: String,
    /// Ratings sent a second
    #[arg(long, default_value_t = 200, value_name = "N",
          value_parser = clap::value_parser!(u32).range(16..=5_000))]
    rate: u32,
    /// Only these steps
    #[arg(long, value_name = "STEP,…", value_delimiter = ',', value_parser = steps::known)]
    only: Vec<String>,
    /// What runs a command on a node; `{node}` is its name [default: docker exec {node}, where a
    /// container of that name runs]
    #[arg(long, value_name = "COMMAND")]
    node_command: Option<String>,
    /// What cuts a node off [default: docker pause {node}, where a container of that name runs]
    #[arg(long, value_name = "COMMAND", requires = "join_command")]
    cut_command: Option<String>,
    /// What ends that [default: docker unpause {node}]
    #[arg(long, value_name = "COMMAND", requires = "cut_command")]
    join_command: Option<String>,
    /// Take everything down at the end
    #[arg(long)]
    down: bool,
    /// What the cluster runs on, for the report
    #[arg(long, value_name = "TEXT")]
    on: Option<String>,
    /// Where the report goes.
    #[command(flatten)]
    page: PageFlags,
    /// The erboh that tests and audits; without it the one beside this program
    #[arg(long, value_name = "PATH")]
    erboh: Option<PathBuf>,
    /// The program whose `cluster status` says what is Ready; `cargo xtask` gives its own
    #[arg(long, value_name = "PATH", hide = true)]
    xtask: PathBuf,
    /// Where `cluster up` has staged the manifests, and a clone of the git repository goes
    #[arg(long, default_value = "target/cluster", value_name = "DIR", hide = true)]
    directory: PathBuf,
}

/// Runs the story.
pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let report = story::run(flags)?;
    println!("\n{report}");
    if !report.is_kept() {
        return Ok(ExitCode::FAILURE);
    }
    flags.page.take("cluster", &report.to_string())?;
    Ok(ExitCode::SUCCESS)
}
