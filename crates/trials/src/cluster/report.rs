//! Report: the table of the story, for people and for the documentation.

use std::fmt;
use std::time::Duration;

use super::books::Disturbance;
use super::recount::Found;
use crate::ratings::ledger::Retries;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As promised, with what there is to say of it.
    Kept(String),
    /// It cannot be done here.
    NotRun(String),
    Failed(String),
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) took: Duration,
    /// What was seen under load; none without.
    pub(super) disturbance: Option<Disturbance>,
    pub(super) verdict: Verdict,
}

/// What there is to say of a story.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) rows: Vec<Row>,
    pub(super) rate: u32,
    pub(super) sent: usize,
    pub(super) acknowledged: usize,
    pub(super) retries: Retries,
    /// Answers that no producer may give.
    pub(super) refusals: Vec<String>,
    pub(super) found: Found,
    /// What `erboh audit` says, if it is not content.
    pub(super) audit: Option<String>,
    /// Date, versions, and what it ran on.
    pub(super) ran: String,
}

impl Report {
    /// Whether everything was as promised.
    pub(super) fn is_kept(&self) -> bool {
        let failed = |row: &Row| matches!(row.verdict, Verdict::Failed(_));
        !self.rows.iter().any(failed)
            && self.refusals.is_empty()
            && self.audit.is_none()
            && (self.found.lost, self.found.double) == (0, 0)
            && self.found.differs.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| step | took | nothing acknowledged for | board silent for | board still for | sent again | verdict |"
        )?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|---|")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        writeln!(f)?;
        writeln!(
            f,
            "- {} ratings sent at {}/s, {} acknowledged; sent again: {}",
            self.sent,
            self.rate,
            self.acknowledged,
            again(self.retries)
        )?;
        for refusal in &self.refusals {
            writeln!(f, "- WRONGLY REFUSED: {refusal}")?;
        }
        let Found { records, lost, double, differs } = &self.found;
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
        let took = match self.verdict {
            Verdict::NotRun(_) => "–".to_owned(),
            _ => seconds(self.took),
        };
        let seen = self.disturbance.filter(|_| !matches!(self.verdict, Verdict::NotRun(_)));
        let seen = seen.map_or_else(
            || "– | – | – | –".to_owned(),
            |seen| {
                let times = [seen.unacknowledged, seen.silent, seen.still].map(seconds).join(" | ");
                format!("{times} | {}", again(seen.retries))
            },
        );
        let (word, text) = match &self.verdict {
            Verdict::Kept(text) => ("ok", text),
            Verdict::NotRun(text) => ("not run", text),
            Verdict::Failed(text) => ("**FAILED**", text),
        };
        // A bar would end the cell.
        let text = text.replace('|', "/").replace('\n', " ");
        let more = if text.is_empty() { String::new() } else { format!(": {text}") };
        write!(f, "| {} | {took} | {seen} | {word}{more} |", self.name)
    }
}

/// How many requests were sent again, and why.
fn again(retries: Retries) -> String {
    let Retries { silent, unavailable, unknown, other } = retries;
    let kinds =
        [(silent, "no answer"), (unavailable, "503"), (unknown, "504"), (other, "other 5xx")];
    let named: Vec<String> = kinds
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{count} ({kind})"))
        .collect();
    if named.is_empty() { "0".to_owned() } else { named.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(verdict: Verdict) -> Row {
        let disturbance = Disturbance {
            unacknowledged: Duration::from_millis(1_240),
            retries: Retries { silent: 2, unknown: 1, ..Retries::default() },
            ..Disturbance::default()
        };
        Row { name: "step", took: Duration::from_secs(61), disturbance: Some(disturbance), verdict }
    }

    #[test]
    fn a_row_says_what_was_seen() {
        assert_eq!(
            row(Verdict::Kept("1 | 3\npods".to_owned())).to_string(),
            "| step | 61.0 s | 1.2 s | 0.0 s | 0.0 s | 2 (no answer), 1 (504) | ok: 1 / 3 pods |"
        );
        assert_eq!(
            row(Verdict::NotRun("one node".to_owned())).to_string(),
            "| step | – | – | – | – | – | not run: one node |"
        );
    }

    #[test]
    fn one_broken_promise_is_enough() {
        let kept = |change: fn(&mut Report)| {
            let mut report = Report::default();
            report.rows.push(row(Verdict::NotRun(String::new())));
            change(&mut report);
            report.is_kept()
        };
        assert!(kept(|_| ()));
        assert!(!kept(|report| report.rows.push(row(Verdict::Failed("x".to_owned())))));
        assert!(!kept(|report| report.found.lost = 1));
        assert!(!kept(|report| report.found.double = 1));
        assert!(!kept(|report| report.found.differs = "A".to_owned()));
        assert!(!kept(|report| report.audit = Some("not exact".to_owned())));
        assert!(!kept(|report| report.refusals.push("422".to_owned())));
    }
}
