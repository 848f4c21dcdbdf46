//! The doctor: looks at a cluster and says what endangers exactness, why, and how to mend it.
//!
//! ```text
//!   look ─► ClusterState ─► rules (pure) ─► [Finding] ─► report: text or JSON, and a verdict
//! ```
//!
//! Asking and judging are apart, so that every rule is tested on both sides of its boundary
//! without a cluster. It changes nothing.

use anyhow::Context as _;
use tokio::runtime::Handle;

pub use self::report::Verdict;
use crate::queue::{KafkaSettings, Topics};
use crate::telemetry::say;

mod finding;
mod look;
mod report;
mod rules;
mod state;

/// What the doctor is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cluster to look at, as a role would reach it.
    pub kafka: KafkaSettings,
    /// The topics of the roles.
    pub topics: Topics,
    /// The consumers' group.
    pub group: String,
    /// Whether to print JSON.
    pub json: bool,
}

/// Looks, prints what was found, and gives the verdict.
///
/// # Errors
/// None that a cluster can cause.
pub async fn run(settings: Settings) -> anyhow::Result<Verdict> {
    let runtime = Handle::current();
    let json = settings.json;
    let looking = tokio::task::spawn_blocking(move || look::look(&settings, &runtime));
    let state = looking.await.context("the looking thread")?;
    let findings = rules::judge(&state);
    let report = if json {
        report::json(&state, &findings).context("the report")?
    } else {
        report::text(&state, &findings)
    };
    say(&report);
    Ok(Verdict::of(&findings))
}
