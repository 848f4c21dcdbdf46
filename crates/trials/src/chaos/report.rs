//! Report: what was done to the system and what came of it, for people and for the documentation.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::fault::Fault;
use crate::ratings::ledger::Retries;

/// One fault that was inflicted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inflicted {
    /// None: nothing was done, for comparison.
    pub(super) fault: Option<Fault>,
    /// Nothing else was broken meanwhile.
    pub(super) alone: bool,
    /// From when it began until the whole worked again, on the boards that ran.
    pub(super) from_begin: Option<Duration>,
    /// From when it was healed until the whole worked again, on all boards.
    pub(super) from_heal: Option<Duration>,
}

/// What there is to say of a campaign.
#[derive(Debug, Clone, Default)]
pub(super) struct Report {
    pub(super) inflicted: Vec<Inflicted>,
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
    pub(super) looks: u64,
    pub(super) audit: String,
    pub(super) violations: usize,
}

/// Median and maximum, if there is anything.
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
            "| fault | alone | works again: p50 | max | all boards after its end: p50 | max | among others | works again: max |"
        )?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|--:|--:|")?;
        let mut kinds: BTreeMap<Option<Fault>, Vec<Inflicted>> = BTreeMap::new();
        for inflicted in &self.inflicted {
            kinds.entry(inflicted.fault).or_default().push(*inflicted);
        }
        for (fault, times) in kinds {
            let name = fault.map_or("nothing (for comparison)", Fault::name);
            let (alone, among): (Vec<_>, Vec<_>) = times.into_iter().partition(|one| one.alone);
            let begin = spread(alone.iter().filter_map(|one| one.from_begin));
            let heal = spread(alone.iter().filter_map(|one| one.from_heal));
            let [_, worst] = spread(among.iter().filter_map(|one| one.from_begin));
            let cells = [begin[0], begin[1], heal[0], heal[1]].map(cell).join(" | ");
            let (alone, among) = (alone.len(), among.len());
            writeln!(f, "| {name} | {alone} | {cells} | {among} | {} |", cell(worst))?;
        }
        let Retries { silent, unavailable, unknown, other } = self.retries;
        writeln!(f)?;
        writeln!(
            f,
            "- {} ratings sent at {}/s, {} acknowledged; {} requests sent again (no answer {silent}, 503 {unavailable}, 504 {unknown}, other {other})",
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
            "- {} snapshots held against the log, {} looks at boards; audit: {}",
            self.snapshots, self.looks, self.audit
        )?;
        let verdict = match self.violations {
            0 => "lost 0, double 0, no position went back, no alarm".to_owned(),
            count => format!("{count} PROMISES BROKEN"),
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

    fn inflicted(fault: Fault, alone: bool, seconds: u64) -> Inflicted {
        let from_begin = Some(Duration::from_secs(seconds));
        Inflicted { fault: Some(fault), alone, from_begin, from_heal: None }
    }

    #[test]
    fn the_table_has_a_line_for_every_kind() {
        let report = Report {
            inflicted: [(true, 9), (true, 1), (true, 2), (false, 30)]
                .map(|(alone, seconds)| inflicted(Fault::ConsumerKilled, alone, seconds))
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
        assert!(text.contains("2 PROMISES BROKEN") && !text.contains("lost 0"), "{text}");
    }
}
