//! Live: one partition that is being counted.
//!
//! ```text
//!   read from: N-W ……… N ……… position ……► end of log
//!              └ warm ┘└── apply ──┘
//!                          │ │
//!             dead letters ┘ └ snapshots ─► group offset
//! ```
//!
//! Whenever reading begins or was interrupted, it begins at the last counted record or before it, and nothing
//! behind that record is counted unless it is still the same one.

use std::cmp::Ordering;
use std::time::Instant;

use super::dead_letters::{self, DeadLetters, Header};
use super::doubt::{Doubt, Place, Watch};
use super::settings::EngineSettings;
use super::snapshots::Snapshots;
use super::takeover::{Decision, Found};
use crate::queue::{Member, Position, Writer};
use crate::totals::{Fingerprint, Outcome, PartitionTotals, Record, Snapshot};

/// One partition that is being counted.
pub(super) struct Live {
    totals: PartitionTotals,
    /// The offset of the next record that is looked at; whatever comes before it was seen.
    read_next: i64,
    /// Records before this offset only fill the duplicate window.
    warm_until: i64,
    /// The last counted record, while it has not been seen again since reading began.
    unseen: Option<Fingerprint>,
    watch: Watch,
    snapshots: Snapshots,
    dead: DeadLetters,
    /// What the group has committed, and what it should have.
    committed: Option<i64>,
    acknowledged: Option<i64>,
    /// Where the totals partition ended at the take-over.
    totals_end: i64,
    /// Everything that was fetched has been delivered.
    at_end: bool,
    /// An end of the log up to which all records stand in the reader's queue at least.
    reached_end: Option<i64>,
    log_end: i64,
    paused: bool,
    changed: bool,
}

/// What a partition needs in order to write.
pub(super) struct Tools<'a> {
    pub(super) settings: &'a EngineSettings,
    pub(super) name: &'a str,
    pub(super) totals: &'a Writer,
    pub(super) dead_letters: &'a Writer,
    pub(super) member: &'a Member,
    pub(super) now: Instant,
}

/// Whether a partition's reading should change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Keep,
    Pause,
    Resume,
}

impl Live {
    /// Starts with what was found, and says from which offset to read; or why not.
    pub(super) fn begin(partition: i32, found: Found) -> Result<(Self, i64), String> {
        let log_start = found.log_start;
        let mut acknowledged = None;
        let (mut totals, slot, generation, supersedes, gap, repeat) = match found.decision {
            Decision::Halt(reason) => return Err(reason),
            Decision::Start { supersedes, slot } => {
                let generation = supersedes.as_ref().map_or(0, |newest| newest.generation);
                let totals = PartitionTotals::start(partition, log_start);
                (totals, slot, generation, supersedes, false, false)
            }
            Decision::Resume { snapshot, slot, supersedes, gap, unwritten } => {
                let generation = snapshot.generation;
                // Whoever wrote it may have died before the commit.
                acknowledged = (!unwritten).then_some(snapshot.next_offset);
                let totals = PartitionTotals::resume(*snapshot);
                (totals, slot, generation, supersedes, gap, unwritten)
            }
        };
        let covered = totals.next_offset();
        let mut snapshots = Snapshots::after(slot, generation, covered);
        if repeat {
            snapshots.repeat();
        }
        let mut committed = found.committed;
        if let Some(newest) = supersedes {
            totals.supersede(&newest);
            // Readers should leave the other log soon, and the group's offset may have to go back.
            snapshots.repeat();
            committed = None;
        } else if slot.is_none() {
            // Where counting begins is written before anything is counted, or else records that
            // retention takes now would look as if they had been gone before.
            snapshots.repeat();
        }
        let read_from = if gap {
            totals.gap(covered, log_start);
            totals.next_offset()
        } else {
            totals.begin_warm(log_start)
        };
        // What retention took cannot be seen again.
        let unseen = totals.last().filter(|last| last.offset >= log_start);
        let live = Self {
            read_next: read_from,
            warm_until: totals.next_offset(),
            unseen,
            watch: Watch::default(),
            totals,
            snapshots,
            dead: DeadLetters::default(),
            committed,
            acknowledged,
            totals_end: found.totals_end,
            at_end: false,
            reached_end: None,
            log_end: -1,
            paused: false,
            changed: true,
        };
        let from = live.read_from();
        Ok((live, from))
    }

    /// Where to read from: what was not read yet, and before that the record to be seen again.
    fn read_from(&self) -> i64 {
        self.unseen.map_or(self.read_next, |last| last.offset.min(self.read_next))
    }

    /// Notes that reading was interrupted, and says where to begin again.
    pub(super) fn interrupted(&mut self) -> i64 {
        self.unseen = self.totals.last();
        self.at_end = false;
        self.reached_end = None;
        self.paused = false;
        self.watch.is_silent = false;
        self.read_from()
    }

    /// The offsets that are next when reading begins again: from where it begins to behind what was not looked at yet.
    pub(super) fn next_records(&self) -> (i64, i64) {
        (self.read_from(), self.read_next + 1)
    }

    /// Looks at the next record, whose trace is asked for if it becomes a dead letter. False: the log is not the one that the totals are of, so that it
    /// was cut off or made anew.
    #[must_use]
    pub(super) fn take(
        &mut self,
        source: &str,
        record: Record<'_>,
        trace: impl FnOnce() -> Vec<Header>,
    ) -> bool {
        if let Some(last) = self.unseen.filter(|last| record.offset >= last.offset) {
            let Record { offset, timestamp_ms, key, value } = record;
            if last != Fingerprint::of(offset, timestamp_ms, key, value) {
                return false;
            }
            self.unseen = None;
        }
        if record.offset < self.read_next {
            return true;
        }
        self.read_next = record.offset + 1;
        self.at_end = false;
        if record.offset < self.warm_until {
            self.totals.warm(record);
            return true;
        }
        self.changed = true;
        if let Outcome::Dead(invalid) = self.totals.apply(record) {
            let partition = self.totals.partition();
            let trace = trace();
            dead_letters::tell(source, partition, record.offset, &trace);
            self.dead.add(source, self.totals.log(), partition, record, &invalid, trace);
        }
        true
    }

    /// Notes that everything fetched so far has been delivered.
    pub(super) fn end(&mut self) {
        if self.unseen.is_some() {
            // A new leader may not know yet how far the log goes. Where the log was really cut off it says so when
            // it is asked, see [`Self::doubt`].
            return;
        }
        self.at_end = true;
        self.reached_end = None;
        // Where control records end the window there is no further record to tell that it is full.
        self.read_next = self.read_next.max(self.warm_until);
    }

    /// Weighs where the log ended when it was asked at `asked`: why the totals or the reader
    /// should be doubted, if they should.
    pub(super) fn doubt(&mut self, asked: Instant, end: i64, now: Instant) -> Option<Doubt> {
        // Control records before an end that was delivered are read, although the position passes them only when
        // the reader's queue is empty, which under load it may not be for long.
        let read_next = self.reached_end.map_or(self.read_next, |end| end.max(self.read_next));
        let here = Place { position: self.totals.next_offset(), read_next };
        self.watch.weigh(here, self.paused, (asked, end), now)
    }

    /// Whether nothing has come for so long, though there is more, that people should know.
    pub(super) fn is_silent(&self) -> bool {
        self.watch.is_silent
    }

    /// What people should know then.
    pub(super) fn silence(&self) -> String {
        format!(
            "no records arrive from offset {}, although there are more; if this continues, they are checked over \
             another connection",
            self.read_next
        )
    }

    /// Whether every dead letter is acknowledged.
    pub(super) fn is_complete(&self) -> bool {
        self.dead.is_empty()
    }

    /// Wants a snapshot in a totals topic that may be another one now, even if nothing is counted.
    pub(super) fn repeat_snapshot(&mut self) {
        self.snapshots.repeat();
        // Its offsets may have begun anew.
        self.totals_end = 0;
    }

    /// Notes how far the reader is.
    pub(super) fn progress(&mut self, position: Position) {
        // Behind a transaction that hangs the log grows and nothing else happens.
        self.changed |= self.log_end != position.log_end;
        self.log_end = position.log_end;
        // Only behind an end that was delivered: the report may be about an earlier reading.
        self.reached_end = self.at_end.then_some(position.reached_end);
    }

    /// Moves the position over control records, once the reader's queue has been empty after the
    /// report that there is nothing else.
    pub(super) fn drained(&mut self) {
        if let Some(end) = self.reached_end.take().filter(|_| self.at_end)
            && end > self.totals.next_offset()
        {
            self.totals.advance_to(end);
            self.read_next = self.read_next.max(end);
            self.changed = true;
        }
    }

    /// Writes what is due and takes note of acknowledgements. Returns why writing does not work.
    /// With `force`, the newest state is written whatever the clock says.
    pub(super) fn serve(&mut self, tools: &Tools<'_>, force: bool) -> Result<(), String> {
        let mut outcome = self.dead.serve(tools.dead_letters, tools.now).map_err(|error| {
            format!(
                "dead letters cannot be written to {}: {error}",
                tools.settings.topics.dead_letters
            )
        });
        match self.snapshots.serve(tools.now) {
            Ok(Some(next_offset)) => {
                self.acknowledged = Some(next_offset);
                self.commit(tools.member);
            }
            Ok(None) => {}
            Err(error) => {
                outcome = Err(format!(
                    "totals cannot be written to {}: {error}",
                    tools.settings.topics.totals
                ));
            }
        }
        let position = self.totals.next_offset();
        let pace = (tools.settings.snapshot_interval, tools.settings.snapshot_distance);
        let due = self.snapshots.is_due(position, pace, tools.now)
            || (force && !self.snapshots.in_flight() && self.snapshots.is_behind(position));
        if due && self.is_warm() && self.dead.is_empty() {
            self.snapshots.write(&self.totals, tools.name, tools.totals, tools.now);
        }
        outcome
    }

    /// Commits what is acknowledged, if the group has less.
    pub(super) fn commit(&mut self, member: &Member) {
        let Some(next_offset) = self.acknowledged else { return };
        if self.committed.is_none_or(|committed| next_offset > committed) {
            member.commit(self.totals.partition(), next_offset);
            self.committed = Some(next_offset);
        }
    }

    /// Forgets what was committed, because some commit failed.
    pub(super) fn commit_again(&mut self) {
        self.committed = None;
    }

    /// Whether everything that was counted is in an acknowledged snapshot.
    pub(super) fn is_settled(&self) -> bool {
        let behind = self.snapshots.is_behind(self.totals.next_offset());
        !self.is_warm() || (!behind && !self.snapshots.in_flight() && self.dead.is_empty())
    }

    /// Whether reading should pause or go on, so that a crash costs a bounded repetition.
    pub(super) fn flow(&mut self, settings: &EngineSettings) -> Flow {
        let distance = settings.snapshot_distance;
        let ahead = self.snapshots.is_too_far(self.totals.next_offset(), distance);
        let full = ahead || self.dead.is_full();
        match (self.paused, full) {
            (false, true) => {
                self.paused = true;
                // What was fetched is thrown away, the news of the end included.
                self.at_end = false;
                self.reached_end = None;
                Flow::Pause
            }
            (true, false) => {
                self.paused = false;
                Flow::Resume
            }
            _ => Flow::Keep,
        }
    }

    /// Whether the window is filled and counting has begun.
    pub(super) fn is_warm(&self) -> bool {
        self.read_next >= self.warm_until
    }

    /// Everything before it is counted.
    pub(super) fn position(&self) -> i64 {
        self.totals.next_offset()
    }

    /// Whether the totals have changed since this was last asked.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The totals at this moment.
    pub(super) fn snapshot(&self, name: &str) -> Snapshot {
        self.totals.snapshot(name, self.snapshots.generation())
    }

    /// Where the log ends, as far as is known.
    pub(super) fn log_end(&self) -> i64 {
        self.log_end.max(self.totals.next_offset())
    }

    /// Weighs what somebody else wrote at `offset` of the totals partition. True: it is further
    /// than this engine, so somebody else counts too, and this one must look again.
    pub(super) fn is_overtaken_by(&mut self, offset: i64, other: &Snapshot) -> bool {
        if offset < self.totals_end {
            // It was there when these totals were chosen.
            return false;
        }
        let mine = (self.totals.epoch(), self.totals.next_offset());
        match (other.epoch, other.next_offset).cmp(&mine) {
            Ordering::Greater => true,
            // Two that are equally far leave each other alone, or they would write for ever.
            Ordering::Equal => false,
            Ordering::Less => {
                self.snapshots.repeat();
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
