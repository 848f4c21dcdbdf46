//! Violations of erboh's guarantees, with examples as proof.

use std::collections::BTreeMap;
use std::fmt;

/// A guarantee of erboh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Guarantee {
    /// An acknowledged rating is in the log.
    NothingLost,
    /// It is at the offset of its acknowledgement.
    RightOffset,
    /// The log contains no record that was not sent, and no changed record.
    NothingInvented,
    /// A board counts every rating of the log exactly once.
    CountedOnce,
    /// Every snapshot matches its prefix of the log.
    SnapshotsAgree,
    /// The records that are not ratings have dead letters, and no others.
    DeadLetters,
    /// The position of a board never goes back while its process runs.
    NeverBack,
    /// A ready replica shows at least what was committed before its start.
    ReadyIsCaughtUp,
    /// The committed offset is never ahead of the snapshots.
    CommittedIsSaved,
    /// No two replicas contradict each other, and no partition halts.
    NoAlarm,
    /// The system recovers from every fault.
    Recovers,
    /// Processes exit only when told to, and producers reject no valid rating.
    Behaves,
    /// `erboh audit` succeeds.
    Audit,
}

impl Guarantee {
    /// The text for reports.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::NothingLost => "an acknowledged rating is in the log",
            Self::RightOffset => "a rating is at the offset of its acknowledgement",
            Self::NothingInvented => "the log contains what was sent and nothing else",
            Self::CountedOnce => "every rating counts exactly once on every board",
            Self::SnapshotsAgree => "every snapshot matches its prefix of the log",
            Self::DeadLetters => "exactly the malformed records are dead letters",
            Self::NeverBack => "the position of a board never goes back",
            Self::ReadyIsCaughtUp => "a ready replica shows what was committed before it started",
            Self::CommittedIsSaved => "the committed offset is never ahead of the snapshots",
            Self::NoAlarm => "no alarm is raised and no partition halts",
            Self::Recovers => "the system recovers from every fault",
            Self::Behaves => "processes keep running and valid ratings are accepted",
            Self::Audit => "erboh audit finds everything exact",
        }
    }
}

/// Examples kept per guarantee; further violations are only counted.
const EXAMPLES_MAX: usize = 5;

/// All violations.
#[derive(Debug, Default, Clone)]
pub(super) struct Violations {
    found: BTreeMap<Guarantee, (usize, Vec<String>)>,
}

impl Violations {
    /// Adds a violation.
    pub(super) fn add(&mut self, guarantee: Guarantee, proof: impl Into<String>) {
        let (count, examples) = self.found.entry(guarantee).or_default();
        *count += 1;
        if examples.len() < EXAMPLES_MAX {
            examples.push(proof.into());
        }
    }

    /// Adds the violations of another collection.
    pub(super) fn extend(&mut self, other: Self) {
        for (guarantee, (count, examples)) in other.found {
            let known = self.found.entry(guarantee).or_default();
            known.0 += count;
            let room = EXAMPLES_MAX.saturating_sub(known.1.len());
            known.1.extend(examples.into_iter().take(room));
        }
    }

    /// The number of violations of a guarantee.
    pub(super) fn count(&self, guarantee: Guarantee) -> usize {
        self.found.get(&guarantee).map_or(0, |(count, _)| *count)
    }

    /// The number of violated guarantees.
    pub(super) fn guarantees(&self) -> usize {
        self.found.len()
    }

    /// Whether all guarantees held.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (guarantee, (count, examples)) in &self.found {
            writeln!(f, "VIOLATED {count} time(s): {}", guarantee.description())?;
            for example in examples {
                writeln!(f, "    {example}")?;
            }
            if *count > examples.len() {
                writeln!(f, "    … and {} more", count - examples.len())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_counted_and_examples_limited() {
        let mut violations = Violations::default();
        assert!(violations.is_empty());
        (0..4).for_each(|n| violations.add(Guarantee::NothingLost, format!("one {n}")));
        let mut more = Violations::default();
        (0..4).for_each(|n| more.add(Guarantee::NothingLost, format!("two {n}")));
        violations.extend(more);
        assert_eq!(violations.count(Guarantee::NothingLost), 8);
        let text = violations.to_string();
        assert!(text.contains("VIOLATED 8 time(s)") && text.contains("two 0"), "{text}");
        assert!(text.contains("and 3 more") && !text.contains("two 1"), "{text}");
    }
}
