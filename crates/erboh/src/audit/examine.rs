//! Examination: the statements about one partition, compared with its log while that is read once.
//!
//! ```text
//! log      start ─ record ─ record ─ record ─ record ─ record ─ record ─►
//! recount    └─────────────────────┬───────────────┬───────┬─►
//! statements                       N=3 agrees      N=5 ?   N=6 differs: since 3
//! ```
//!
//! Where retention took the start of what was counted, a statement has more in it than can be
//! recounted. Then this *rest* must be the same in every statement, and nothing in it negative.

use std::collections::BTreeMap;

use super::recount::{Recount, Totals};
use super::report::{Checked, Difference, Finding, PartitionReport};
use super::statement::{Snapshot, Statement};
use crate::limits::{VOICES_MAX, WINDOW_OFFSETS};
use crate::totals::{FOLD, Fingerprint, Record};

/// Where the recount stops for a moment.
#[derive(Clone, Copy)]
enum Stop {
    /// A statement about this partition.
    Statement(usize),
    /// The sums of a board, which has this position in this partition.
    Sums(usize),
    /// From here on every id that can make a duplicate stands in the log.
    WindowKnown,
}

/// One partition under examination.
pub(super) struct Examination {
    report: PartitionReport,
    statements: Vec<Statement>,
    /// The newest epoch; statements of earlier ones were superseded.
    epoch: u32,
    /// Ascending; the next one last.
    stops: Vec<(i64, Stop)>,
    log: [i64; 2],
    recount: Recount,
    first: Option<Fingerprint>,
    /// The records that statements name as their last, as the log has them.
    lasts: BTreeMap<i64, Option<Fingerprint>>,
    /// What the statements have in them that is no longer in the log.
    rest: Option<Totals>,
    /// What was recounted when the window became known.
    unsure: Option<Totals>,
    /// Up to which offsets somebody agreed, ascending.
    agreed: Vec<i64>,
    /// Whether the newest statements may be about another log.
    other_log: bool,
    sums: BTreeMap<usize, Totals>,
}

/// What came out of an examination.
pub(super) struct Examined {
    pub(super) report: PartitionReport,
    /// By board: what the partition adds up to at its position, where that could be told.
    pub(super) sums: BTreeMap<usize, Totals>,
}

impl Examination {
    /// Of a log that has the records from the first of the offsets in `log` to before the second.
    /// `positions` are those of the boards' sums.
    pub(super) fn new(
        partition: i32,
        log: [i64; 2],
        statements: Vec<Statement>,
        positions: &BTreeMap<usize, i64>,
    ) -> Self {
        let [start, end] = log;
        let in_log = |offset: &i64| (start..=end).contains(offset);
        let mut stops: Vec<(i64, Stop)> =
            vec![(start.saturating_add(WINDOW_OFFSETS), Stop::WindowKnown)];
        let stated = statements.iter().enumerate();
        stops.extend(stated.map(|(index, of)| (of.snapshot.next_offset, Stop::Statement(index))));
        let sums = positions.iter().filter(|(_, position)| in_log(position));
        stops.extend(sums.map(|(board, position)| (*position, Stop::Sums(*board))));
        // Stable, so that the window is known before anything is judged there.
        stops.sort_by_key(|(offset, _)| *offset);
        stops.reverse();
        let lasts = statements.iter().filter_map(|of| of.snapshot.last);
        Self {
            report: PartitionReport::new(partition, start),
            epoch: statements.iter().map(|of| of.snapshot.epoch).max().unwrap_or(0),
            stops,
            log,
            recount: Recount::new(),
            first: None,
            lasts: lasts.map(|last| (last.offset, None)).collect(),
            rest: None,
            unsure: None,
            agreed: vec![start],
            other_log: false,
            sums: BTreeMap::new(),
            statements,
        }
    }

    /// The offset up to which the log must be read: the furthest that somebody speaks of.
    pub(super) fn end(&self) -> i64 {
        let [start, end] = self.log;
        let furthest = |(offset, stop): &(i64, Stop)| match stop {
            Stop::WindowKnown => None,
            Stop::Statement(_) | Stop::Sums(_) => Some((*offset).min(end)),
        };
        self.stops.iter().filter_map(furthest).max().map_or(start, |offset| offset.max(start))
    }

    /// Takes the next record before [`Examination::end`].
    pub(super) fn take(&mut self, record: Record<'_>) {
        let Record { offset, timestamp_ms, key, value } = record;
        self.stop_before(offset);
        let print = || Fingerprint::of(offset, timestamp_ms, key, value);
        if self.first.is_none() {
            self.first = Some(print());
        }
        if let Some(last) = self.lasts.get_mut(&offset) {
            *last = Some(print());
        }
        self.recount.add(offset, value);
    }

    /// Everything up to [`Examination::end`] was taken.
    pub(super) fn finish(mut self) -> Examined {
        let end = self.end();
        self.stop_before(i64::MAX);
        let Totals { counted, duplicates, dead, .. } = *self.recount.totals();
        self.report.offsets[1] = end;
        (self.report.ratings, self.report.duplicates) = (counted, duplicates);
        self.report.dead_letters = dead;
        self.name_what_is_gone();
        // Where the start is gone, the sums of a board have the same rest in them.
        let sums = match &self.rest {
            _ if self.other_log => BTreeMap::new(),
            _ if !self.is_cut() => self.sums,
            Some(rest) => self.sums.into_iter().map(|(board, of)| (board, of.plus(rest))).collect(),
            None => BTreeMap::new(),
        };
        Examined { report: self.report.judged(), sums }
    }

    fn stop_before(&mut self, offset: i64) {
        while let Some((at, stop)) = self.stops.pop_if(|(at, _)| *at <= offset) {
            match stop {
                Stop::WindowKnown => self.unsure = Some(self.recount.totals().clone()),
                Stop::Sums(board) => drop(self.sums.insert(board, self.recount.totals().clone())),
                Stop::Statement(index) => self.judge(index, at),
            }
        }
    }

    fn judge(&mut self, index: usize, at: i64) {
        let Statement { source, served, snapshot } = self.statements[index].clone();
        let mut agrees = None;
        if snapshot.epoch < self.epoch {
            if served {
                self.untold(format!("{source} still serves totals that were superseded"));
            }
        } else if let Some(reason) = self.not_comparable(&snapshot) {
            self.other_log = true;
            self.untold(format!("{source}: {reason}"));
        } else {
            agrees = match self.compare(&snapshot) {
                Ok(agrees) => {
                    if agrees {
                        self.agreed.push(at);
                    }
                    agrees.then_some(true)
                }
                Err(differences) => {
                    let before = self.agreed.iter().rev().find(|offset| **offset < at);
                    let offsets = [before.copied().unwrap_or(self.log[0]), at];
                    let source = source.clone();
                    self.report.findings.push(Finding { source, offsets, differences });
                    Some(false)
                }
            };
        }
        self.report.statements.push(Checked { source, next_offset: at, agrees });
    }

    /// Why a statement cannot be compared with this log.
    fn not_comparable(&self, snapshot: &Snapshot) -> Option<String> {
        let [start, end] = self.log;
        let Snapshot { fold, partition, from_offset, next_offset, last, window_from, .. } =
            snapshot;
        if *fold != FOLD {
            return Some(format!("version {fold} of the fold made it; this program has {FOLD}"));
        }
        if *partition != self.report.partition {
            return Some(format!("it is about partition {partition}"));
        }
        if *next_offset > end {
            return Some(format!(
                "the log ends at offset {end}, but {next_offset} were counted: it was truncated or \
                 made anew"
            ));
        }
        if *next_offset < start {
            return Some(format!("the log begins at offset {start}, behind what was counted"));
        }
        let first = self.first.map(|first| first.hash.to_string());
        if *from_offset == start && last.is_some() && first.as_ref() != Some(&snapshot.log) {
            return Some(format!(
                "the record at offset {start} is not the first one that was counted: the topic was \
                 made anew"
            ));
        }
        let last = last.filter(|last| last.offset >= start);
        if let Some(last) = last
            && self.lasts.get(&last.offset) != Some(&Some(last))
        {
            return Some(format!(
                "the record at offset {} is not the one that was counted there: the log was \
                 truncated or made anew",
                last.offset
            ));
        }
        if *window_from > start.max(*from_offset) {
            return Some(format!(
                "it knew of duplicates only from offset {window_from} on, behind the log's start"
            ));
        }
        if self.begins_before_log(snapshot) && snapshot.totals.voices.len() + 2 > VOICES_MAX {
            return Some("which voices came first stands in records that are gone".to_owned());
        }
        None
    }

    /// Whether a statement agrees with the recount up to here; `Ok(false)` says that this cannot be
    /// told. The error is what differs.
    fn compare(&mut self, snapshot: &Snapshot) -> Result<bool, Vec<Difference>> {
        let counted = self.recount.totals();
        let rest = snapshot.totals.minus(counted);
        if !self.begins_before_log(snapshot) {
            let zero = rest.is_zero();
            return if zero { Ok(true) } else { Err(differences(&snapshot.totals, counted)) };
        }
        // Copies of ratings that are gone cannot be told from first ones.
        let sure = counted.minus(self.unsure.as_ref().unwrap_or(counted));
        let short = snapshot.totals.minus(&sure);
        if has_negative(&short) {
            let differs = differences(&snapshot.totals, &sure);
            return Err(differs.into_iter().filter(is_too_little).collect());
        }
        match &self.rest {
            None => {
                self.rest = Some(rest);
                Ok(true)
            }
            Some(before) if *before == rest => Ok(true),
            Some(before) if self.unsure.is_none() && are_copies(&before.minus(&rest)) => {
                let copies = before.minus(&rest).counted;
                self.untold(format!(
                    "{copies} rating(s) up to offset {} may be copies of ratings that are gone",
                    snapshot.next_offset
                ));
                self.rest = Some(rest);
                Ok(false)
            }
            Some(before) => Err(differences(&snapshot.totals, &counted.plus(before))),
        }
    }

    /// Whether some of what was counted is gone.
    fn begins_before_log(&self, snapshot: &Snapshot) -> bool {
        snapshot.from_offset < self.log[0]
    }

    fn newest(&self) -> Option<&Snapshot> {
        let current = self.statements.iter().map(|of| &of.snapshot);
        current.filter(|of| of.epoch == self.epoch).max_by_key(|of| of.next_offset)
    }

    /// Whether what was counted began before the log does.
    fn is_cut(&self) -> bool {
        self.newest().is_some_and(|newest| self.begins_before_log(newest))
    }

    fn name_what_is_gone(&mut self) {
        let start = self.log[0];
        let Some(newest) = self.newest().cloned() else { return };
        for [from, to] in &newest.gaps {
            self.untold(format!("offsets {from}..{to} were gone before anybody counted them"));
        }
        if newest.from_offset >= start {
            return;
        }
        let agreeing = self.report.statements.iter().filter(|of| of.agrees == Some(true));
        let offsets: Vec<i64> = agreeing.map(|of| of.next_offset).collect();
        let verified = match (offsets.iter().min(), offsets.iter().max()) {
            (Some(from), Some(to)) if from < to => {
                format!("what was added from offset {from} to {to} is exact")
            }
            _ => "no two statements are about offsets that are still there".to_owned(),
        };
        self.untold(format!(
            "offsets {}..{start} are no longer in the log and cannot be counted again; {verified}",
            newest.from_offset
        ));
    }

    fn untold(&mut self, reason: String) {
        self.report.reasons.push(reason);
    }
}

/// Every number that is stated as another one than was counted.
pub(super) fn differences(stated: &Totals, counted: &Totals) -> Vec<Difference> {
    let numbers = [
        ("ratings", stated.counted, counted.counted),
        ("duplicates", stated.duplicates, counted.duplicates),
        ("dead letters", stated.dead, counted.dead),
    ];
    let mut found: Vec<Difference> = numbers
        .into_iter()
        .filter(|(_, stated, counted)| stated != counted)
        .map(|(what, stated, counted)| Difference {
            what: what.to_owned(),
            stated: vec![stated],
            counted: vec![counted],
        })
        .collect();
    let tally =
        |of: &Totals, voice| of.voices.get(voice).map_or(vec![0; 3], |tally| tally.to_vec());
    let differing = stated.minus(counted).voices;
    found.extend(differing.keys().map(|voice| Difference {
        what: voice.clone(),
        stated: tally(stated, voice),
        counted: tally(counted, voice),
    }));
    found
}

fn is_too_little(difference: &Difference) -> bool {
    difference.stated.iter().zip(&difference.counted).any(|(stated, counted)| stated < counted)
}

fn has_negative(totals: &Totals) -> bool {
    let Totals { counted, duplicates, dead, voices } = totals;
    [counted, duplicates, dead]
        .into_iter()
        .chain(voices.values().flatten())
        .any(|number| *number < 0)
}

/// Whether this is what second copies look like that were taken for first ones: ratings with both
/// of their voices, and as many duplicates less.
fn are_copies(extra: &Totals) -> bool {
    let Totals { counted, duplicates, dead, voices } = extra;
    let votes = voices.values().flatten();
    let sum = votes.clone().fold(0_i64, |sum, votes| sum.saturating_add(*votes));
    *counted > 0
        && counted.checked_neg() == Some(*duplicates)
        && *dead == 0
        && counted.checked_mul(2) == Some(sum)
        && votes.into_iter().all(|votes| *votes >= 0)
}

#[cfg(test)]
mod tests;
