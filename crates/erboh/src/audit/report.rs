//! The report: what the audit found, for people and for programs.

use serde::Serialize;

use super::limits::DIFFERENCES_SHOWN;
use crate::telemetry::say;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that was said is what the log adds up to.
    Exact,
    /// It could not be told, at least not of everything.
    Unknown,
    /// Something that was said is not what the log adds up to.
    NotExact,
}

impl Verdict {
    fn words(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Unknown => "could not tell",
            Self::NotExact => "NOT EXACT",
        }
    }
}

/// One number, or the three of one voice, that is said to be another than the log adds up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// A voice's name, or which number it is.
    pub what: String,
    /// What is said: of a voice the ratings with score 0, 1 and 2.
    pub stated: Vec<i64>,
    /// What the log adds up to.
    pub counted: Vec<i64>,
}

/// Somebody's statement that does not hold.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Who says so.
    pub source: String,
    /// The difference arose from the first of these offsets to before the second.
    pub offsets: [i64; 2],
    /// What differs.
    pub differences: Vec<Difference>,
}

/// What one statement is worth.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// Who says so.
    pub source: String,
    /// Up to which offset.
    pub next_offset: i64,
    /// Whether it holds; nothing where that could not be told or it was superseded.
    pub agrees: Option<bool>,
}

/// What was found of one partition.
#[derive(Clone, Debug, Serialize)]
pub struct PartitionReport {
    /// The partition of the ratings.
    pub partition: i32,
    /// The records from the first of these offsets to before the second were counted again.
    pub offsets: [i64; 2],
    /// Ratings that count in these offsets.
    pub ratings: i64,
    /// Second copies in these offsets.
    pub duplicates: i64,
    /// Records in these offsets that are no ratings.
    pub dead_letters: i64,
    /// How it is.
    pub verdict: Verdict,
    /// What does not hold.
    pub findings: Vec<Finding>,
    /// What could not be told, and why.
    pub reasons: Vec<String>,
    /// What is worth knowing besides.
    pub notes: Vec<String>,
    /// Every statement, by its offset.
    pub statements: Vec<Checked>,
}

impl PartitionReport {
    /// Of a partition of which nothing is known yet but where its log begins.
    pub(super) fn new(partition: i32, start: i64) -> Self {
        Self {
            partition,
            offsets: [start, start],
            ratings: 0,
            duplicates: 0,
            dead_letters: 0,
            verdict: Verdict::Unknown,
            findings: Vec::new(),
            reasons: Vec::new(),
            notes: Vec::new(),
            statements: Vec::new(),
        }
    }
}

/// What was found of the sums that a board shows to people.
#[derive(Clone, Debug, Serialize)]
pub struct BoardReport {
    /// The board's address.
    pub board: String,
    /// How it is.
    pub verdict: Verdict,
    /// What does not hold.
    pub differences: Vec<Difference>,
    /// What could not be told, and why.
    pub reasons: Vec<String>,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How it is.
    pub verdict: Verdict,
    /// The topic of the ratings.
    pub topic: String,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// Of every partition.
    pub partitions: Vec<PartitionReport>,
    /// Of every board that was asked.
    pub boards: Vec<BoardReport>,
    /// What could not be told of the whole, and why.
    pub reasons: Vec<String>,
    /// What is worth knowing besides.
    pub notes: Vec<String>,
}

impl PartitionReport {
    /// Sets the verdict to what the findings and reasons make of it.
    pub(super) fn judged(mut self) -> Self {
        self.verdict = verdict(!self.findings.is_empty(), !self.reasons.is_empty());
        self
    }
}

/// A difference weighs more than what could not be told.
pub(super) fn verdict(differs: bool, untold: bool) -> Verdict {
    match (differs, untold) {
        (true, _) => Verdict::NotExact,
        (false, true) => Verdict::Unknown,
        (false, false) => Verdict::Exact,
    }
}

impl Report {
    /// One line of JSON on standard output.
    pub fn print_json(&self) {
        match serde_json::to_string(self) {
            Ok(json) => say(&json),
            Err(error) => tracing::error!(%error, "the report could not be written"),
        }
    }

    /// A table, what is wrong, and a sentence.
    pub fn print(&self) {
        say(&self.to_string());
    }

    fn sentence(&self) -> String {
        let sum = |of: fn(&PartitionReport) -> i64| self.partitions.iter().map(of).sum::<i64>();
        let records = sum(|of| of.ratings) + sum(|of| of.duplicates) + sum(|of| of.dead_letters);
        let counted = self.partitions.len();
        let took = format!("{}.{:03} s", self.elapsed_ms / 1000, self.elapsed_ms % 1000);
        let basis = format!("{records} record(s) of {counted} partition(s) recounted in {took}");
        match self.verdict {
            Verdict::Exact => {
                let who = if self.boards.is_empty() {
                    "the snapshots"
                } else {
                    "the board and the snapshots"
                };
                format!("exact: {basis}; {who} say the same.")
            }
            Verdict::NotExact => {
                format!("NOT EXACT: {basis}; what is said above differs from the log.")
            }
            Verdict::Unknown => {
                format!(
                    "could not tell: {basis}; nothing differs, but not everything could be verified."
                )
            }
        }
    }
}

const HEADINGS: [&str; 6] =
    ["partition", "offsets", "ratings", "duplicates", "dead letters", "verdict"];

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let row = |of: &PartitionReport| {
            [
                of.partition.to_string(),
                format!("{}..{}", of.offsets[0], of.offsets[1]),
                of.ratings.to_string(),
                of.duplicates.to_string(),
                of.dead_letters.to_string(),
                of.verdict.words().to_owned(),
            ]
        };
        let mut table = vec![HEADINGS.map(str::to_owned)];
        table.extend(self.partitions.iter().map(row));
        let width: [usize; 6] = std::array::from_fn(|column| {
            table.iter().map(|row| row[column].len()).max().unwrap_or(0)
        });
        for row in &table {
            for (cell, width) in row.iter().zip(width).take(HEADINGS.len() - 1) {
                write!(f, "{cell:>width$}  ")?;
            }
            // The last column is text: no white space behind it.
            writeln!(f, "{}", row[HEADINGS.len() - 1])?;
        }
        writeln!(f)?;
        for partition in &self.partitions {
            write_partition(f, partition)?;
        }
        for board in &self.boards {
            if !board.differences.is_empty() {
                writeln!(f, "the sums on the board {}:", board.board)?;
                write_differences(f, &board.differences)?;
            }
            for reason in &board.reasons {
                writeln!(f, "the sums on the board {}: {reason}", board.board)?;
            }
        }
        for text in self.reasons.iter().chain(&self.notes) {
            writeln!(f, "{text}")?;
        }
        write!(f, "{}", self.sentence())
    }
}

fn write_partition(f: &mut std::fmt::Formatter<'_>, of: &PartitionReport) -> std::fmt::Result {
    // The first one has the narrowest offsets; those after it usually differ by the same.
    if let Some(Finding { source, offsets: [from, to], differences }) = of.findings.first() {
        writeln!(
            f,
            "partition {}, offsets {from}..{to}: {source} does not say what the log adds up to:",
            of.partition
        )?;
        write_differences(f, differences)?;
    }
    if of.findings.len() > 1 {
        let more = of.findings.len() - 1;
        writeln!(
            f,
            "    {more} more statement(s) about this partition differ; --json has them all"
        )?;
    }
    for text in of.reasons.iter().chain(&of.notes) {
        writeln!(f, "partition {}: {text}", of.partition)?;
    }
    Ok(())
}

fn write_differences(
    f: &mut std::fmt::Formatter<'_>,
    differences: &[Difference],
) -> std::fmt::Result {
    for Difference { what, stated, counted } in differences.iter().take(DIFFERENCES_SHOWN) {
        // Names come from outside, and a terminal obeys control sequences.
        let what = what.escape_debug();
        writeln!(f, "    {what}: said {}, the log {}", numbers(stated), numbers(counted))?;
    }
    let more = differences.len().saturating_sub(DIFFERENCES_SHOWN);
    if more > 0 {
        writeln!(f, "    and {more} more; --json has them all")?;
    }
    Ok(())
}

fn numbers(numbers: &[i64]) -> String {
    match numbers {
        [hated, meh, liked] => format!("{hated} hated, {meh} meh, {liked} liked"),
        _ => numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", "),
    }
}
