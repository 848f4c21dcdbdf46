//! The first steps, without load: the smoke test and the producer's page.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::super::report::StepResult;
use super::super::scenario::Scenario;

/// Simulated ratings per request of the producer's page.
const RATINGS_PER_VISIT: u64 = 20;
/// Limit until they are on the board.
const COUNTED_TIMEOUT: Duration = Duration::from_secs(30);
/// Poll interval of the board.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Three messages through Kafka, from outside the cluster.
pub(super) fn smoke(scenario: &mut Scenario<'_>) -> anyhow::Result<StepResult> {
    let mut smoke = Command::new(&scenario.erboh);
    smoke.args(["smoke", "--brokers", &scenario.flags.brokers]);
    let output = smoke.output().context("starting erboh smoke")?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if !output.status.success() {
        bail!("{}", text.trim());
    }
    Ok(StepResult::Passed(last.to_owned()))
}

/// Requests the producer's page and waits for its ratings. There is no other load yet.
pub(super) fn page(scenario: &mut Scenario<'_>) -> anyhow::Result<StepResult> {
    let before = scenario.board()?.counted;
    let url = format!("{}/", scenario.flags.producer_url.trim_end_matches('/'));
    let began = Instant::now();
    scenario.client.get(&url).with_context(|| format!("getting {url}"))?;
    let mut counted = 0;
    while counted < RATINGS_PER_VISIT && began.elapsed() < COUNTED_TIMEOUT {
        std::thread::sleep(POLL_INTERVAL);
        // Another replica may lag behind.
        counted = scenario.board()?.counted.saturating_sub(before).max(counted);
    }
    ensure!(
        counted == RATINGS_PER_VISIT,
        "the board counted {counted} ratings, expected {RATINGS_PER_VISIT}"
    );
    let seconds = began.elapsed().as_secs_f64();
    Ok(StepResult::Passed(format!("on the board {seconds:.1} s later")))
}
