//! The report of a scenario, for the terminal and the documentation.

use std::fmt;
use std::time::Duration;

use super::recount::RecountResult;
use super::shared::Disruption;
use crate::ratings::ledger::Retries;

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StepResult {
    /// Passed, with details.
    Passed(String),
    /// Not possible on this cluster, with the reason.
    Skipped(String),
    Failed(String),
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) took: Duration,
    /// What was observed under load; `None` without load.
    pub(super) disruption: Option<Disruption>,
    pub(super) result: StepResult,
}

/// The report of a scenario.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) rows: Vec<Row>,
    pub(super) rate: u32,
    pub(super) sent: usize,
    pub(super) acknowledged: usize,
    pub(super) retries: Retries,
    /// Valid ratings that were rejected.
    pub(super) rejections: Vec<String>,
    pub(super) recount: RecountResult,
    /// The output of `erboh audit`, if it failed.
    pub(super) audit: Option<String>,
    /// Versions, machine, commit and date.
    pub(super) ran: String,
}

impl Report {
    /// Whether all guarantees held.
    pub(super) fn passed(&self) -> bool {
        let failed = |row: &Row| matches!(row.result, StepResult::Failed(_));
        !self.rows.iter().any(failed)
            && self.rejections.is_empty()
            && self.audit.is_none()
            && (self.recount.lost, self.recount.double) == (0, 0)
            && self.recount.differs.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| step | took | no acknowledgement for | board unavailable for | board stalled for | retries | result |"
        )?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|---|")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        writeln!(f)?;
        writeln!(
            f,
            "- {} ratings sent at {}/s, {} acknowledged; retries: {}",
            self.sent,
            self.rate,
            self.acknowledged,
            retry_counts(self.retries)
        )?;
        for rejection in &self.rejections {
            writeln!(f, "- VALID RATING REJECTED: {rejection}")?;
        }
        let RecountResult { records, lost, double, differs } = &self.recount;
        writeln!(
            f,
            "- **lost {lost}, double {double}**; the board and the {records} records of the log {}",
            if differs.is_empty() { "agree".to_owned() } else { format!("DIFFER: {differs}") }
        )?;
        writeln!(f, "- `erboh audit`: {}", self.audit.as_deref().unwrap_or("exact"))?;
        writeln!(f, "- {}", self.ran)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |duration: Duration| format!("{:.1} s", duration.as_secs_f64());
        let took = match self.result {
            StepResult::Skipped(_) => "–".to_owned(),
            _ => seconds(self.took),
        };
        let seen = self.disruption.filter(|_| !matches!(self.result, StepResult::Skipped(_)));
        let seen = seen.map_or_else(
            || "– | – | – | –".to_owned(),
            |seen| {
                let times = [seen.unacknowledged, seen.unavailable, seen.stalled];
                format!("{} | {}", times.map(seconds).join(" | "), retry_counts(seen.retries))
            },
        );
        let (word, text) = match &self.result {
            StepResult::Passed(text) => ("ok", text),
            StepResult::Skipped(text) => ("not run", text),
            StepResult::Failed(text) => ("**FAILED**", text),
        };
        // A `|` would end the table cell.
        let text = text.replace('|', "/").replace('\n', " ");
        let details = if text.is_empty() { String::new() } else { format!(": {text}") };
        write!(f, "| {} | {took} | {seen} | {word}{details} |", self.name)
    }
}

/// The number of retries by cause.
fn retry_counts(retries: Retries) -> String {
    let Retries { no_response, unavailable, unknown, other } = retries;
    let causes = [
        (no_response, "no response"),
        (unavailable, "503"),
        (unknown, "504"),
        (other, "other 5xx"),
    ];
    let named: Vec<String> = causes
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{count} ({kind})"))
        .collect();
    if named.is_empty() { "0".to_owned() } else { named.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(result: StepResult) -> Row {
        let disruption = Disruption {
            unacknowledged: Duration::from_millis(1_240),
            retries: Retries { no_response: 2, unknown: 1, ..Retries::default() },
            ..Disruption::default()
        };
        Row { name: "step", took: Duration::from_secs(61), disruption: Some(disruption), result }
    }

    #[test]
    fn row_shows_disruption_and_result() {
        assert_eq!(
            row(StepResult::Passed("1 | 3\npods".to_owned())).to_string(),
            "| step | 61.0 s | 1.2 s | 0.0 s | 0.0 s | 2 (no response), 1 (504) | ok: 1 / 3 pods |"
        );
        assert_eq!(
            row(StepResult::Skipped("one node".to_owned())).to_string(),
            "| step | – | – | – | – | – | not run: one node |"
        );
    }

    #[test]
    fn any_violation_fails_the_report() {
        let passed = |change: fn(&mut Report)| {
            let mut report = Report::default();
            report.rows.push(row(StepResult::Skipped(String::new())));
            change(&mut report);
            report.passed()
        };
        assert!(passed(|_| ()));
        assert!(!passed(|report| report.rows.push(row(StepResult::Failed("x".to_owned())))));
        assert!(!passed(|report| report.recount.lost = 1));
        assert!(!passed(|report| report.recount.double = 1));
        assert!(!passed(|report| report.recount.differs = "A".to_owned()));
        assert!(!passed(|report| report.audit = Some("not exact".to_owned())));
        assert!(!passed(|report| report.rejections.push("422".to_owned())));
    }
}
