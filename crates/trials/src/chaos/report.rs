//! The report of a campaign, for the terminal and the documentation.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::fault::Fault;
use crate::ratings::ledger::Retries;

/// One injected fault.
#[derive(Debug, Clone, Copy)]
pub(super) struct FaultReport {
    /// `None`: a baseline measurement without a fault.
    pub(super) fault: Option<Fault>,
    /// No other fault was active at the same time.
    pub(super) isolated: bool,
    /// From the start of the fault until the system worked again, on the running boards.
    pub(super) from_begin: Option<Duration>,
    /// From the healing until the system worked again, on all boards.
    pub(super) from_heal: Option<Duration>,
}

/// The result of a campaign.
#[derive(Debug, Clone, Default)]
pub(super) struct Report {
    pub(super) faults: Vec<FaultReport>,
    pub(super) seed: u64,
    pub(super) minutes: f64,
    pub(super) rate: u32,
    pub(super) commit: String,
    pub(super) date: String,
    pub(super) sent: usize,
    pub(super) acknowledged: usize,
    pub(super) retries: Retries,
    pub(super) records: u64,
    pub(super) counted: u64,
    pub(super) duplicates: u64,
    pub(super) dead: u64,
    pub(super) snapshots: u64,
    pub(super) polls: u64,
    pub(super) audit: String,
    pub(super) violations: usize,
}

/// Median and maximum; `None` without durations.
fn spread(durations: impl Iterator<Item = Duration>) -> [Option<Duration>; 2] {
    let mut durations: Vec<Duration> = durations.collect();
    durations.sort_unstable();
    let middle = durations.len().saturating_sub(1) / 2;
    [durations.get(middle).copied(), durations.last().copied()]
}

fn cell(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "–".to_owned(), |took| format!("{:.1} s", took.as_secs_f64()))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| fault | isolated | recovery: p50 | max | all boards after healing: p50 | max | overlapping | recovery: max |"
        )?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|--:|--:|")?;
        let mut kinds: BTreeMap<Option<Fault>, Vec<FaultReport>> = BTreeMap::new();
        for report in &self.faults {
            kinds.entry(report.fault).or_default().push(*report);
        }
        for (fault, reports) in kinds {
            let name = fault.map_or("none (baseline)", Fault::name);
            let (isolated, overlapping): (Vec<_>, Vec<_>) =
                reports.into_iter().partition(|one| one.isolated);
            let begin = spread(isolated.iter().filter_map(|one| one.from_begin));
            let heal = spread(isolated.iter().filter_map(|one| one.from_heal));
            let [_, worst] = spread(overlapping.iter().filter_map(|one| one.from_begin));
            let cells = [begin[0], begin[1], heal[0], heal[1]].map(cell).join(" | ");
            let (isolated, overlapping) = (isolated.len(), overlapping.len());
            let worst = cell(worst);
            writeln!(f, "| {name} | {isolated} | {cells} | {overlapping} | {worst} |")?;
        }
        let Retries { no_response, unavailable, unknown, other } = self.retries;
        writeln!(f)?;
        writeln!(
            f,
            "- {} ratings sent at {}/s, {} acknowledged; {} retries (no response {no_response}, 503 {unavailable}, 504 {unknown}, other {other})",
            self.sent,
            self.rate,
            self.acknowledged,
            self.retries.sum()
        )?;
        writeln!(
            f,
            "- {} records in the log = {} counted + {} duplicates + {} dead letters",
            self.records, self.counted, self.duplicates, self.dead
        )?;
        writeln!(
            f,
            "- {} snapshots compared with the log, {} board polls; audit: {}",
            self.snapshots, self.polls, self.audit
        )?;
        let verdict = match self.violations {
            0 => "lost 0, double 0, no position went back, no alarm".to_owned(),
            count => format!("{count} GUARANTEES VIOLATED"),
        };
        writeln!(f, "- **{verdict}**")?;
        writeln!(
            f,
            "- `cargo xtask chaos --minutes {} --seed {}`, commit {}, {}",
            self.minutes, self.seed, self.commit, self.date
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(fault: Fault, isolated: bool, seconds: u64) -> FaultReport {
        let from_begin = Some(Duration::from_secs(seconds));
        FaultReport { fault: Some(fault), isolated, from_begin, from_heal: None }
    }

    #[test]
    fn table_has_a_row_per_kind_of_fault() {
        let report = Report {
            faults: [(true, 9), (true, 1), (true, 2), (false, 30)]
                .map(|(isolated, seconds)| report(Fault::ConsumerKilled, isolated, seconds))
                .to_vec(),
            ..Report::default()
        };
        let text = report.to_string();
        assert!(
            text.contains("| consumer killed | 3 | 2.0 s | 9.0 s | – | – | 1 | 30.0 s |"),
            "{text}"
        );
        assert!(text.contains("lost 0, double 0"), "{text}");
        let text = Report { violations: 2, ..report }.to_string();
        assert!(text.contains("2 GUARANTEES VIOLATED") && !text.contains("lost 0"), "{text}");
    }
}
