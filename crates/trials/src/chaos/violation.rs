//! Violations: promises that were broken, with what, where and the proof.

use std::collections::BTreeMap;
use std::fmt;

/// What is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Promise {
    /// An acknowledged rating is in the log.
    NothingLost,
    /// It stands where the producer said.
    RightPlace,
    /// The log holds nothing that nobody sent, and nothing that was changed.
    NothingInvented,
    /// A board counts every rating of the log, and none of them twice.
    CountedOnce,
    /// Every snapshot is what its part of the log adds up to.
    SnapshotsAgree,
    /// What is no rating is among the dead letters, and nothing else is.
    DeadLetters,
    /// The position of a board never goes back while its process lives.
    NeverBack,
    /// A replica that says that it is ready shows what was committed before it started.
    ReadyIsCaughtUp,
    /// The group's offset is never ahead of the snapshots.
    CommittedIsSaved,
    /// No two replicas contradict each other, and no partition halts.
    NoAlarm,
    /// After every fault the whole works again.
    Recovers,
    /// Processes end only when they are told to, and producers refuse no valid rating.
    Behaves,
    /// `erboh audit` finds everything exact.
    Audit,
}

impl Promise {
    /// The promise in words, for the report of a violation.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::NothingLost => "an acknowledged rating is in the log",
            Self::RightPlace => "a rating stands where its acknowledgement said",
            Self::NothingInvented => "the log holds what was sent and nothing else",
            Self::CountedOnce => "every rating counts exactly once on every board",
            Self::SnapshotsAgree => "every snapshot is what its part of the log adds up to",
            Self::DeadLetters => "exactly the malformed records are dead letters",
            Self::NeverBack => "the position of a board never goes back",
            Self::ReadyIsCaughtUp => "a ready replica shows what was committed before it started",
            Self::CommittedIsSaved => "the group's offset is never ahead of the snapshots",
            Self::NoAlarm => "no alarm is raised and no partition halts",
            Self::Recovers => "the whole works again after every fault",
            Self::Behaves => "processes keep running and valid ratings are taken",
            Self::Audit => "erboh audit finds everything exact",
        }
    }
}

/// Examples of one broken promise that are kept; the rest is counted.
const EXAMPLES_MAX: usize = 5;

/// All violations that were found.
#[derive(Debug, Default, Clone)]
pub(super) struct Violations {
    found: BTreeMap<Promise, (usize, Vec<String>)>,
}

impl Violations {
    /// Notes a violation.
    pub(super) fn add(&mut self, promise: Promise, proof: impl Into<String>) {
        let (count, examples) = self.found.entry(promise).or_default();
        *count += 1;
        if examples.len() < EXAMPLES_MAX {
            examples.push(proof.into());
        }
    }

    /// Takes over what somebody else found.
    pub(super) fn extend(&mut self, other: Self) {
        for (promise, (count, examples)) in other.found {
            let known = self.found.entry(promise).or_default();
            known.0 += count;
            let room = EXAMPLES_MAX.saturating_sub(known.1.len());
            known.1.extend(examples.into_iter().take(room));
        }
    }

    /// How often a promise was broken.
    pub(super) fn count(&self, promise: Promise) -> usize {
        self.found.get(&promise).map_or(0, |(count, _)| *count)
    }

    /// How many promises were broken.
    pub(super) fn promises(&self) -> usize {
        self.found.len()
    }

    /// Whether all promises were kept.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (promise, (count, examples)) in &self.found {
            writeln!(f, "BROKEN {count} time(s): {}", promise.words())?;
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
    fn many_violations_of_one_promise_are_counted_and_few_are_shown() {
        let mut violations = Violations::default();
        assert!(violations.is_empty());
        (0..4).for_each(|n| violations.add(Promise::NothingLost, format!("one {n}")));
        let mut more = Violations::default();
        (0..4).for_each(|n| more.add(Promise::NothingLost, format!("two {n}")));
        violations.extend(more);
        assert_eq!(violations.count(Promise::NothingLost), 8);
        let text = violations.to_string();
        assert!(text.contains("BROKEN 8 time(s)") && text.contains("two 0"), "{text}");
        assert!(text.contains("and 3 more") && !text.contains("two 1"), "{text}");
    }
}
