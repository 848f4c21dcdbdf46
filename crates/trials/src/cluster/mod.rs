//! The end-to-end scenario of a Kubernetes cluster under load, from everything Ready to an audit.
//!
//! ```text
//!  load ─► producer's node port ══ Kafka ══► board ◄─ watch
//!   └ ledger                                   │
//!  steps: commits, deleted pods, cut nodes …   │ after each: all Ready, a new rating counted
//!   └► table      recount, audit ◄─────────────┘ lost 0, double 0
//! ```
//!
//! The scenario uses the interfaces of an operator: changes are committed to the source of Flux,
//! and faults are injected with kubectl.

mod kube;
mod load;
mod node;
mod outage;
mod recount;
mod report;
mod scenario;
mod shared;
mod steps;
mod tree;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::page::PageFlags;

/// Command-line options of the scenario.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The kubeconfig of the cluster; without it and --context the kind cluster `erboh`
    #[arg(long, value_name = "PATH")]
    kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// URL of the producer
    #[arg(long, default_value = "http://127.0.0.1:30080", value_name = "URL")]
    producer_url: String,
    /// URL of the board
    #[arg(long, default_value = "http://127.0.0.1:30081", value_name = "URL")]
    board_url: String,
    /// Bootstrap servers for clients outside the cluster
    #[arg(long, default_value = "127.0.0.1:32100", value_name = "HOST:PORT,…")]
    brokers: String,
    /// The registry to which `cluster up` pushed, unless the source of Flux is a git repository
    #[arg(long, default_value = "127.0.0.1:5001", value_name = "HOST:PORT")]
    registry: String,
    /// Ratings per second
    #[arg(long, default_value_t = 200, value_name = "N",
          value_parser = clap::value_parser!(u32).range(16..=5_000))]
    rate: u32,
    /// Run only these steps
    #[arg(long, value_name = "STEP,…", value_delimiter = ',', value_parser = steps::parse_key)]
    only: Vec<String>,
    /// Command prefix that runs a command on a node; `{node}` is its name [default: docker exec
    /// {node}, if there is a container of that name]
    #[arg(long, value_name = "COMMAND")]
    node_command: Option<String>,
    /// Command that isolates a node [default: docker pause {node}, if there is a container of that
    /// name]
    #[arg(long, value_name = "COMMAND", requires = "join_command")]
    cut_command: Option<String>,
    /// Command that ends the isolation [default: docker unpause {node}]
    #[arg(long, value_name = "COMMAND", requires = "cut_command")]
    join_command: Option<String>,
    /// Remove everything at the end
    #[arg(long)]
    down: bool,
    /// Description of the cluster's machine, for the report
    #[arg(long, value_name = "TEXT")]
    on: Option<String>,
    /// Where the report is written.
    #[command(flatten)]
    page: PageFlags,
    /// The erboh binary for smoke test and audit [default: next to this program]
    #[arg(long, value_name = "PATH")]
    erboh: Option<PathBuf>,
    /// The xtask binary for `cluster status`; set by `cargo xtask`
    #[arg(long, value_name = "PATH", hide = true)]
    xtask: PathBuf,
    /// Directory of the manifests staged by `cluster up`, and of the clone of the git repository
    #[arg(long, default_value = "target/cluster", value_name = "DIR", hide = true)]
    directory: PathBuf,
}

/// Runs the scenario.
pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let report = scenario::run(flags)?;
    println!("\n{report}");
    if !report.passed() {
        return Ok(ExitCode::FAILURE);
    }
    flags.page.update("cluster", &report.to_string())?;
    Ok(ExitCode::SUCCESS)
}
