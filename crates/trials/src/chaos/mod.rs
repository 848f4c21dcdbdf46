//! Chaos: a running system is broken on purpose for minutes, and every rating must still count once.
//!
//! ```text
//!  seed ─► schedule ─► faults on brokers, consumers, producers, links, the queue
//! ```

mod fault;
mod random;
mod schedule;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use fault::Fault;
use schedule::Schedule;

/// The seed of a campaign that was given none: any fixed number, so that two runs are comparable.
const SEED: u64 = 2021;

/// What a campaign is told.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// How long faults are inflicted, in minutes
    #[arg(long, default_value_t = 3.0, value_name = "M", value_parser = minutes)]
    minutes: f64,
    /// What the schedule of the faults is drawn from
    #[arg(long, default_value_t = SEED, value_name = "S")]
    seed: u64,
    /// Print the schedule and do nothing
    #[arg(long)]
    schedule: bool,
}

/// Runs a campaign.
#[expect(clippy::unnecessary_wraps, reason = "a campaign can fail to start")]
pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let lasts = Duration::from_secs_f64(flags.minutes * 60.0);
    print!("{}", Schedule::new(flags.seed, lasts, &Fault::ALL));
    Ok(ExitCode::SUCCESS)
}

/// Shorter campaigns would be over before the system has started; longer ones would need more
/// memory for what was sent.
fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.5..=600.0).contains(&minutes) => Ok(minutes),
        _ => Err("expected a number from 0.5 to 600".to_owned()),
    }
}
