//! Begin: what a person tries first.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::super::report::Verdict;
use super::super::story::Stage;

/// Ratings that one look at the producer's page makes.
const RATINGS_PER_HIT: u64 = 20;
/// How long they may take until they are on the board.
const COUNTED_WAIT: Duration = Duration::from_secs(30);
/// Time between two looks at the board.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Three messages through Kafka and back, from outside of the cluster.
pub(super) fn smoke(stage: &mut Stage<'_>) -> anyhow::Result<Verdict> {
    let mut smoke = Command::new(&stage.erboh);
    smoke.args(["smoke", "--brokers", &stage.flags.brokers]);
    let output = smoke.output().context("starting erboh smoke")?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if !output.status.success() {
        bail!("{}", said.trim());
    }
    Ok(Verdict::Kept(last.to_owned()))
}

/// The producer's page, as a browser gets it; nobody else rates yet.
pub(super) fn page(stage: &mut Stage<'_>) -> anyhow::Result<Verdict> {
    let before = stage.board()?.counted;
    let url = format!("{}/", stage.flags.producer_url.trim_end_matches('/'));
    let began = Instant::now();
    stage.browser.get(&url).with_context(|| format!("getting {url}"))?;
    let mut more = 0;
    while more < RATINGS_PER_HIT && began.elapsed() < COUNTED_WAIT {
        std::thread::sleep(LOOK_EVERY);
        // Another replica may be behind.
        more = stage.board()?.counted.saturating_sub(before).max(more);
    }
    ensure!(more == RATINGS_PER_HIT, "the board counted {more} more, not {RATINGS_PER_HIT}");
    Ok(Verdict::Kept(format!("on the board {:.1} s later", began.elapsed().as_secs_f64())))
}
