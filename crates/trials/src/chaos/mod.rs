//! Chaos: a running system is broken on purpose for minutes, and every rating must still count once.
//!
//! ```text
//!  seed ─► schedule ─► faults on brokers, consumers, producers, links, the queue
//!                          │
//!  load ─► producers ══ 3 brokers ══► consumers ─► boards ◄─ watch
//!    └ ledger: what was acknowledged, where         │
//!          └────────── verdict: recount of the log ─┘ ─► report
//! ```
//!
//! A campaign that cannot fail is worthless, so there are saboteurs: naive parts, as many demos
//! have them, in the place of erboh's own. The campaign must catch them.

mod audit;
mod campaign;
mod fault;
mod inflict;
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
mod stranger;
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
use violation::Promise;

/// The seed of a campaign that was given none: any fixed number, so that two runs are comparable.
const SEED: u64 = 2021;
/// How long each saboteur is left alone: it must not be caught for anything but a fault.
const CONTROL: Duration = Duration::from_secs(10);
/// How long each saboteur is given.
const SELF_TEST: Duration = Duration::from_secs(40);

/// What a campaign is told.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// How long faults are inflicted, in minutes
    #[arg(long, default_value_t = 3.0, value_name = "M", value_parser = minutes)]
    minutes: f64,
    /// What the schedule of the faults is drawn from
    #[arg(long, default_value_t = SEED, value_name = "S")]
    seed: u64,
    /// Ratings sent a second
    #[arg(long, default_value_t = 200, value_name = "N",
          value_parser = clap::value_parser!(u32).range(16..=5_000))]
    rate: u32,
    /// Inflict only these kinds of faults, and none else
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = kind)]
    only: Vec<Fault>,
    /// Keep logs and data even if every promise was kept
    #[arg(long)]
    keep: bool,
    /// Print the schedule and do nothing
    #[arg(long)]
    schedule: bool,
    /// Where the report goes.
    #[command(flatten)]
    page: PageFlags,
    /// Replace a part by a naive one, which the campaign must catch
    #[arg(long, value_enum, value_name = "NAME")]
    sabotage: Option<Sabotage>,
    /// Run short campaigns with each sabotage; well only if each of them is caught by faults alone
    #[arg(long, conflicts_with_all = ["sabotage", "write"])]
    self_test: bool,
    /// The erboh to try; without it the one beside this program
    #[arg(long, value_name = "PATH")]
    erboh: Option<PathBuf>,
    /// Where logs and data go; kept if a promise was broken
    #[arg(long, default_value = "target/chaos", value_name = "DIR")]
    directory: PathBuf,
}

/// A part that is replaced by a naive one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sabotage {
    /// Consumers that save totals now and then and let the client commit offsets by itself
    AutoCommit,
    /// Producers that do not wait for the brokers
    #[value(name = "acks-0")]
    Acks0,
}

impl Sabotage {
    /// What it is helpless against.
    fn faults(self) -> &'static [Fault] {
        match self {
            Self::AutoCommit => &[Fault::ConsumerKilled],
            Self::Acks0 => &[Fault::LeaderKilled, Fault::ProducerKilled],
        }
    }

    /// The promise that it breaks.
    fn breaks(self) -> Promise {
        match self {
            Self::AutoCommit => Promise::CountedOnce,
            Self::Acks0 => Promise::NothingLost,
        }
    }
}

/// Runs a campaign.
pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let lasts = Duration::from_secs_f64(flags.minutes * 60.0);
    if flags.schedule {
        print!("{}", Schedule::new(flags.seed, lasts, flags.kinds()));
        return Ok(ExitCode::SUCCESS);
    }
    if flags.self_test {
        return self_test(flags);
    }
    let kinds = flags.sabotage.map_or(flags.kinds(), |sabotage| sabotage.faults());
    let campaign = flags.campaign(lasts, flags.sabotage, kinds)?;
    let kept = || format!("everything is kept in {}", campaign.directory.display());
    let (mut report, violations) = campaign.run().with_context(kept)?;
    report.date = jiff::Zoned::now().date().to_string();
    report.commit = machine::commit();
    println!("\n{report}");
    if !violations.is_empty() {
        println!("{violations}\n{}", kept());
        return Ok(ExitCode::FAILURE);
    }
    flags.page.take("chaos", &report.to_string())?;
    if flags.keep {
        println!("{}", kept());
    } else {
        remove(&campaign.directory)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the campaign catches what it is for, and nothing where nothing is inflicted.
fn self_test(flags: &Flags) -> anyhow::Result<ExitCode> {
    for sabotage in [Sabotage::AutoCommit, Sabotage::Acks0] {
        for (lasts, kinds) in [(CONTROL, &[][..]), (SELF_TEST, sabotage.faults())] {
            let campaign = flags.campaign(lasts, Some(sabotage), kinds)?;
            let (promise, expected) = (sabotage.breaks(), !kinds.is_empty());
            let word = if expected { "must break" } else { "and no faults: must keep" };
            println!("\nsabotage {sabotage:?} {word} \"{}\"", promise.words());
            let (_, violations) = campaign.run()?;
            print!("{violations}");
            if (violations.count(promise) > 0) != expected {
                let wrong = if expected { "NOT CAUGHT" } else { "CAUGHT WITHOUT A FAULT" };
                println!("{wrong}: {sabotage:?}; see {}", campaign.directory.display());
                return Ok(ExitCode::FAILURE);
            }
            println!("{}: {sabotage:?}", if expected { "caught" } else { "let pass" });
            remove(&campaign.directory)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Flags {
    fn campaign(
        &self,
        lasts: Duration,
        sabotage: Option<Sabotage>,
        kinds: &[Fault],
    ) -> anyhow::Result<Campaign> {
        erboh_testbed::Cluster::available().map_err(anyhow::Error::msg)?;
        let erboh = start::erboh(self.erboh.as_deref())?;
        let directory = self.directory.join(std::process::id().to_string());
        let directory = match sabotage {
            None => directory,
            Some(sabotage) => directory.with_extension(format!("{sabotage:?}")),
        };
        let shown = directory.display();
        std::fs::create_dir_all(&directory).with_context(|| format!("creating {shown}"))?;
        let directory = directory.canonicalize()?;
        let kinds = kinds.to_vec();
        Ok(Campaign { erboh, directory, seed: self.seed, lasts, rate: self.rate, sabotage, kinds })
    }

    /// The kinds of faults: those that were chosen, or all.
    fn kinds(&self) -> &[Fault] {
        if self.only.is_empty() { &Fault::ALL } else { &self.only }
    }
}

fn remove(directory: &Path) -> anyhow::Result<()> {
    let shown = directory.display();
    std::fs::remove_dir_all(directory).with_context(|| format!("removing {shown}"))
}

/// A kind of fault by the beginning of its name, with `-` for spaces.
fn kind(text: &str) -> Result<Fault, String> {
    let known = |fault: Fault| fault.name().replace(' ', "-");
    let mut fitting = Fault::ALL.into_iter().filter(|fault| known(*fault).starts_with(text));
    if let (Some(fault), None) = (fitting.next(), fitting.next()) {
        return Ok(fault);
    }
    let names: Vec<_> = Fault::ALL.into_iter().map(known).collect();
    Err(format!("expected the beginning of one of: {}", names.join(", ")))
}

/// Shorter campaigns would be over before the system has started; longer ones would need more
/// memory for what was sent.
fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.5..=600.0).contains(&minutes) => Ok(minutes),
        _ => Err("expected a number from 0.5 to 600".to_owned()),
    }
}
