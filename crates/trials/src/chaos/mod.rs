//! Chaos: injects faults into a running system for minutes and verifies exactly-once counting.
//!
//! ```text
//!  seed ─► schedule ─► faults on brokers, consumers, producers, links, the queue
//!                          │
//!  load ─► producers ══ 3 brokers ══► consumers ─► boards ◄─ watch
//!    └ ledger: acknowledged ids and offsets         │
//!          └────────── verdict: recount of the log ─┘ ─► report
//! ```
//!
//! A campaign that cannot fail is worthless. So there are negative controls: naive services that
//! replace erboh's and whose failures the campaign must detect.

mod audit;
mod campaign;
mod fault;
mod foreign_client;
mod injector;
mod interrupt;
mod load;
pub(crate) mod naive;
mod observer;
mod random;
mod recount;
mod recovery;
mod replica;
mod report;
mod run;
mod schedule;
mod shared;
mod verdict;
mod violation;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use crate::page::PageFlags;
use crate::{machine, start};
use campaign::Campaign;
use fault::Fault;
use schedule::Schedule;
use violation::Guarantee;

/// The default seed: fixed, so that two runs are comparable.
const SEED: u64 = 2021;
/// Duration of a negative control without faults, in which it must pass.
const CONTROL_DURATION: Duration = Duration::from_secs(10);
/// Duration of a negative control with faults, in which it must fail.
const SELF_TEST_DURATION: Duration = Duration::from_secs(40);

/// Command-line options of a campaign.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// How long faults are injected, in minutes
    #[arg(long, default_value_t = 3.0, value_name = "M", value_parser = minutes)]
    minutes: f64,
    /// The seed of the fault schedule
    #[arg(long, default_value_t = SEED, value_name = "S")]
    seed: u64,
    /// Ratings per second
    #[arg(long, default_value_t = 200, value_name = "N",
          value_parser = clap::value_parser!(u32).range(16..=5_000))]
    rate: u32,
    /// Inject only these kinds of faults
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = kind)]
    only: Vec<Fault>,
    /// Keep logs and data even if all guarantees held
    #[arg(long)]
    keep: bool,
    /// Print the schedule and exit
    #[arg(long)]
    schedule: bool,
    /// Where the report is written.
    #[command(flatten)]
    page: PageFlags,
    /// Replace one role by a naive one as a negative control, which must fail
    #[arg(long = "sabotage", value_enum, value_name = "NAME")]
    control: Option<NegativeControl>,
    /// Run a short campaign with each negative control; passes only if each fails under faults and
    /// not without
    #[arg(long, conflicts_with_all = ["control", "write"])]
    self_test: bool,
    /// The erboh binary [default: next to this program]
    #[arg(long, value_name = "PATH")]
    erboh: Option<PathBuf>,
    /// Directory for logs and data; kept if a guarantee was violated
    #[arg(long, default_value = "target/chaos", value_name = "DIR")]
    directory: PathBuf,
}

/// A naive role that replaces erboh's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NegativeControl {
    /// Consumers that save totals periodically and use the client's auto-commit
    AutoCommit,
    /// Producers that do not wait for acknowledgements
    #[value(name = "acks-0")]
    Acks0,
}

impl NegativeControl {
    /// Faults that it does not survive.
    fn faults(self) -> &'static [Fault] {
        match self {
            Self::AutoCommit => &[Fault::ConsumerKilled],
            Self::Acks0 => &[Fault::LeaderKilled, Fault::ProducerKilled],
        }
    }

    /// The guarantee that it violates.
    fn violates(self) -> Guarantee {
        match self {
            Self::AutoCommit => Guarantee::CountedOnce,
            Self::Acks0 => Guarantee::NothingLost,
        }
    }
}

/// Runs a campaign.
pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let duration = Duration::from_secs_f64(flags.minutes * 60.0);
    if flags.schedule {
        print!("{}", Schedule::new(flags.seed, duration, flags.kinds()));
        return Ok(ExitCode::SUCCESS);
    }
    if flags.self_test {
        return self_test(flags);
    }
    let kinds = flags.control.map_or(flags.kinds(), |control| control.faults());
    let campaign = flags.campaign(duration, flags.control, kinds)?;
    let kept = || format!("logs and data are kept in {}", campaign.directory.display());
    let (mut report, violations) = campaign.run().with_context(kept)?;
    report.date = jiff::Zoned::now().date().to_string();
    report.commit = machine::commit();
    println!("\n{report}");
    if !violations.is_empty() {
        println!("{violations}\n{}", kept());
        return Ok(ExitCode::FAILURE);
    }
    flags.page.update("chaos", &report.to_string())?;
    if flags.keep {
        println!("{}", kept());
    } else {
        remove(&campaign.directory)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Verifies that the campaign detects the failures of the negative controls, and only under faults.
fn self_test(flags: &Flags) -> anyhow::Result<ExitCode> {
    for control in [NegativeControl::AutoCommit, NegativeControl::Acks0] {
        let runs = [(CONTROL_DURATION, &[][..]), (SELF_TEST_DURATION, control.faults())];
        for (duration, kinds) in runs {
            let campaign = flags.campaign(duration, Some(control), kinds)?;
            let (guarantee, must_fail) = (control.violates(), !kinds.is_empty());
            let expectation = if must_fail { "must violate" } else { "without faults must keep" };
            println!(
                "\nnegative control {control:?} {expectation} \"{}\"",
                guarantee.description()
            );
            let (_, violations) = campaign.run()?;
            print!("{violations}");
            if (violations.count(guarantee) > 0) != must_fail {
                let wrong = if must_fail { "NOT DETECTED" } else { "FAILED WITHOUT A FAULT" };
                println!("{wrong}: {control:?}; see {}", campaign.directory.display());
                return Ok(ExitCode::FAILURE);
            }
            println!("{}: {control:?}", if must_fail { "detected" } else { "passed" });
            remove(&campaign.directory)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Flags {
    fn campaign(
        &self,
        duration: Duration,
        control: Option<NegativeControl>,
        kinds: &[Fault],
    ) -> anyhow::Result<Campaign> {
        erboh_testbed::Cluster::available().map_err(anyhow::Error::msg)?;
        let erboh = start::erboh(self.erboh.as_deref())?;
        let directory = self.directory.join(std::process::id().to_string());
        let directory = match control {
            None => directory,
            Some(control) => directory.with_extension(format!("{control:?}")),
        };
        let shown = directory.display();
        std::fs::create_dir_all(&directory).with_context(|| format!("creating {shown}"))?;
        let directory = directory.canonicalize()?;
        let kinds = kinds.to_vec();
        let (seed, rate) = (self.seed, self.rate);
        Ok(Campaign { erboh, directory, seed, duration, rate, control, kinds })
    }

    /// The selected kinds of faults, by default all.
    fn kinds(&self) -> &[Fault] {
        if self.only.is_empty() { &Fault::ALL } else { &self.only }
    }
}

fn remove(directory: &Path) -> anyhow::Result<()> {
    let shown = directory.display();
    std::fs::remove_dir_all(directory).with_context(|| format!("removing {shown}"))
}

/// Parses a prefix of a fault's name, with `-` for spaces.
fn kind(text: &str) -> Result<Fault, String> {
    let known = |fault: Fault| fault.name().replace(' ', "-");
    let mut fitting = Fault::ALL.into_iter().filter(|fault| known(*fault).starts_with(text));
    if let (Some(fault), None) = (fitting.next(), fitting.next()) {
        return Ok(fault);
    }
    let names: Vec<_> = Fault::ALL.into_iter().map(known).collect();
    Err(format!("expected a prefix of one of: {}", names.join(", ")))
}

/// Parses the duration. Shorter campaigns would end before the system has started; longer ones
/// would exceed the memory limit of the ledger.
fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.5..=600.0).contains(&minutes) => Ok(minutes),
        _ => Err("expected a number from 0.5 to 600".to_owned()),
    }
}
