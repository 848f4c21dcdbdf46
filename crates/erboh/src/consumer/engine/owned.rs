//! Owned: a partition that the group has given to this engine.
//!
//! ```text
//!   Wanted ─ask─► Asked ─found─► Live ─log not as expected─► Closing ─all written─► Wanted
//!     ▲             │  └─► Halted ─ask again from time to time─► …
//!     └── failed ◄──┴── restore (overtaken)
//!
//!   Live ─something cannot be read─► Suspect ─checked─► Live again, or its records are unreadable: Closing
//! ```

use std::sync::Arc;
use std::time::Instant;

use super::limits::UNREADABLE_LONGEST;
use super::live::Live;
use super::retry::Retry;
use super::tasks::{Request, Task};
use super::unreadable::Unreadable;
use crate::consumer::view::PartitionState;
use crate::totals::Snapshot;

/// How far a partition is.
pub(super) enum Stage {
    /// Nobody has been asked where to go on.
    Wanted,
    /// The take-over thread is looking.
    Asked,
    /// It is being counted.
    Live(Box<Live>),
    /// It is not read while the take-over thread checks the records that are next.
    Suspect { live: Box<Live>, cause: Cause, asked: bool },
    /// Its log is not as expected. What was counted is true of the log that was, and only here:
    /// it is written before anybody looks where to go on, or it would be taken for uncounted.
    Closing(Box<Live>),
    /// It is not counted, for this reason. It is looked at again after a while, because a log
    /// may come back, for example when a broker does.
    Halted { reason: String, look_again: Instant, asked: bool },
}

/// Why the records that are next are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The reader could not read records, and did not say of which partition.
    ReadError,
    /// The reader brings nothing of this one, although there is more.
    Silent,
}

/// A partition that the group has given to this engine.
pub(super) struct Owned {
    partition: i32,
    /// The number of the newest question, by which an answer to an older one is recognised.
    turn: u64,
    pub(super) stage: Stage,
    /// What does not work at the moment.
    pub(super) problem: Option<String>,
    /// The records that could not be read, until counting has passed them.
    unreadable: Option<Unreadable>,
    retry: Retry,
    /// Whether every dead letter up to what was counted here is acknowledged.
    complete: bool,
}

impl Owned {
    pub(super) fn new(partition: i32, complete: bool) -> Self {
        Self {
            partition,
            turn: 0,
            stage: Stage::Wanted,
            problem: None,
            unreadable: None,
            retry: Retry::default(),
            complete,
        }
    }

    /// The partition's totals, if it is read.
    pub(super) fn live(&mut self) -> Option<&mut Live> {
        match &mut self.stage {
            Stage::Live(live) => Some(live),
            _ => None,
        }
    }

    /// The partition's totals, if it is being counted, even if it is not read at this moment.
    pub(super) fn counted(&mut self) -> Option<&mut Live> {
        match &mut self.stage {
            Stage::Live(live) | Stage::Suspect { live, .. } => Some(live),
            _ => None,
        }
    }

    /// The partition's totals, if there is anything to write of them.
    pub(super) fn writes(&mut self) -> Option<&mut Live> {
        match &mut self.stage {
            Stage::Live(live) | Stage::Suspect { live, .. } | Stage::Closing(live) => Some(live),
            _ => None,
        }
    }

    /// What the board says of it.
    pub(super) fn state(&self) -> PartitionState {
        let stalled = |live: &Live| PartitionState::Stalled(live.silence());
        match (&self.stage, &self.unreadable) {
            (Stage::Halted { reason, .. }, _) => PartitionState::Halted(reason.clone()),
            (Stage::Suspect { live, cause: Cause::Silent, .. }, _) => stalled(live),
            (Stage::Live(live), _) if live.is_silent() => stalled(live),
            (Stage::Live(live) | Stage::Suspect { live, .. }, _) if live.is_warm() => {
                PartitionState::Owned
            }
            (Stage::Wanted | Stage::Asked | Stage::Closing(_), Some(unreadable)) => {
                PartitionState::Stalled(unreadable.to_string())
            }
            _ => PartitionState::Restoring,
        }
    }

    /// Whether the answer to this question is still waited for.
    pub(super) fn waits_for(&self, turn: u64) -> bool {
        let asked = match &self.stage {
            Stage::Asked => true,
            Stage::Suspect { asked, .. } | Stage::Halted { asked, .. } => *asked,
            Stage::Wanted | Stage::Live(_) | Stage::Closing(_) => false,
        };
        asked && self.turn == turn
    }

    /// Whether the take-over thread should be asked.
    pub(super) fn wants_takeover(&self, now: Instant) -> bool {
        match &self.stage {
            Stage::Wanted | Stage::Suspect { asked: false, .. } => self.retry.is_due(now),
            Stage::Halted { look_again, asked, .. } => !asked && now >= *look_again,
            Stage::Asked | Stage::Live(_) | Stage::Suspect { .. } | Stage::Closing(_) => false,
        }
    }

    /// The question, with what the board shows of the partition.
    /// No other question has the same `turn`: the partition may have gone and come back.
    pub(super) fn ask(&mut self, turn: u64, shown: Option<Arc<Snapshot>>) -> Request {
        self.turn = turn;
        let unreadable_at = self.unreadable.as_ref().map(|unreadable| unreadable.offset);
        let look = Task::Look { shown, complete: self.complete, unreadable_at };
        let task = match &mut self.stage {
            Stage::Suspect { live, asked, .. } => {
                *asked = true;
                Task::Check(live.next_records())
            }
            Stage::Halted { asked, .. } => {
                *asked = true;
                look
            }
            stage => {
                *stage = Stage::Asked;
                look
            }
        };
        Request { partition: self.partition, turn: self.turn, task }
    }

    /// Stops reading, to have the next records checked.
    pub(super) fn suspect(&mut self, cause: Cause) {
        let stage = std::mem::replace(&mut self.stage, Stage::Wanted);
        self.stage = match stage {
            Stage::Live(mut live) => {
                live.interrupted();
                Stage::Suspect { live, cause, asked: false }
            }
            stage => stage,
        };
    }

    /// Notes that its next records can be read: where to read from, and why it was suspected. Should that happen
    /// again before anything is counted, the next check waits.
    pub(super) fn is_readable(&mut self, now: Instant) -> Option<(i64, Cause)> {
        let stage = std::mem::replace(&mut self.stage, Stage::Wanted);
        let Stage::Suspect { mut live, cause, .. } = stage else {
            self.stage = stage;
            return None;
        };
        self.retry.failed(now);
        self.problem = None;
        let offset = live.interrupted();
        self.stage = Stage::Live(live);
        Some((offset, cause))
    }

    /// Notes that its records from this offset on cannot be read. What was counted is written, and they are tried
    /// again and again.
    pub(super) fn is_unreadable(&mut self, offset: i64, reason: String, now: Instant) {
        let partition = self.partition;
        let found = Unreadable::after(self.unreadable.as_ref(), offset, reason);
        if found.is_new() {
            tracing::warn!(partition, problem = %found, "records cannot be read; trying again");
        }
        let wait = self.retry.failed_at_most(UNREADABLE_LONGEST, now);
        self.problem = None;
        match std::mem::replace(&mut self.stage, Stage::Wanted) {
            Stage::Suspect { live, .. } => self.stage = Stage::Closing(live),
            stage if found.is_certain() => {
                self.stage = stage;
                let reason = found.to_string();
                if self.halt(reason.clone(), now + wait) {
                    tracing::error!(partition, reason, "the partition halts");
                }
            }
            _ => {}
        }
        self.unreadable = Some(found);
    }

    /// Notes that its next records could not be checked, and has it tried again.
    pub(super) fn is_unchecked(&mut self, problem: String, now: Instant) {
        note(&mut self.problem, self.partition, problem);
        self.retry.failed(now);
        if let Stage::Suspect { asked, .. } = &mut self.stage {
            *asked = false;
        }
    }

    /// Notes that the client of the reader is a new one: what the old one did not bring says nothing about it.
    pub(super) fn is_read_by_another(&mut self) {
        if let Stage::Suspect { cause, .. } = &mut self.stage {
            *cause = Cause::ReadError;
        }
    }

    /// Begins to count.
    pub(super) fn begin(&mut self, live: Live) {
        self.stage = Stage::Live(Box::new(live));
        self.problem = None;
    }

    /// Notes that looking did not work this time.
    pub(super) fn failed(&mut self, problem: String, now: Instant) {
        note(&mut self.problem, self.partition, problem);
        self.retry.failed(now);
        self.leave();
    }

    fn leave(&mut self) {
        if let Some(live) = self.counted() {
            self.complete = live.is_complete();
        }
        self.stage = Stage::Wanted;
    }

    /// Stops counting for a reason, until it is looked at again; true if that is new.
    pub(super) fn halt(&mut self, reason: String, look_again: Instant) -> bool {
        let new = !matches!(&self.stage, Stage::Halted { reason: before, .. } if *before == reason);
        self.stage = Stage::Halted { reason, look_again, asked: false };
        self.problem = None;
        new
    }

    /// Counts no more for this reason, writes what was counted, and then looks again.
    pub(super) fn close(&mut self, reason: &str) {
        self.problem = Some(reason.to_owned());
        let stage = std::mem::replace(&mut self.stage, Stage::Wanted);
        self.stage = match stage {
            Stage::Live(live) | Stage::Suspect { live, .. } => Stage::Closing(live),
            stage => stage,
        };
    }

    /// Whether it closes and has written everything.
    pub(super) fn is_closed(&self) -> bool {
        matches!(&self.stage, Stage::Closing(live) if live.is_settled())
    }

    /// Forgets the totals and looks again. The wait grows if this happens again and again.
    pub(super) fn restore(&mut self, now: Instant) {
        self.retry.failed(now);
        self.leave();
    }

    /// Notes that counting works, and that everything before `position` is counted.
    pub(super) fn is_well(&mut self, position: i64) {
        self.retry.succeeded();
        self.unreadable.take_if(|unreadable| unreadable.offset < position);
    }
}

/// Notes what does not work in a partition, and says so in the log if that is new: it is tried again
/// every few seconds. True if it is new.
pub(super) fn note(known: &mut Option<String>, partition: i32, problem: String) -> bool {
    let new = known.as_ref() != Some(&problem);
    if new {
        tracing::warn!(partition, problem, "trying again until it works");
    }
    *known = Some(problem);
    new
}

#[cfg(test)]
mod tests {
    use super::super::limits::UNREADABLE_TRIES;
    use super::*;

    #[test]
    fn an_answer_is_waited_for_until_something_else_happens() {
        let mut owned = Owned::new(0, true);
        assert!(!owned.waits_for(0), "nothing was asked");
        let _ = owned.ask(7, None);
        assert!(owned.waits_for(7) && !owned.waits_for(6));
        owned.failed("no answer".into(), Instant::now());
        assert!(!owned.waits_for(7), "too late");
        let mut again = Owned::new(0, true);
        let _ = again.ask(8, None);
        assert!(!again.waits_for(7), "that was asked before it went and came back");
    }

    #[test]
    fn records_that_stay_unreadable_halt_their_partition_and_are_tried_on() {
        let mut owned = Owned::new(0, true);
        let mut now = Instant::now();
        for try_ in 1..10 {
            let _ = owned.ask(try_, None);
            owned.is_unreadable(7, "junk".into(), now);
            let halts = try_ >= u64::from(UNREADABLE_TRIES);
            match owned.state() {
                PartitionState::Halted(reason) => assert!(halts && reason.contains("offset 7")),
                PartitionState::Stalled(reason) => assert!(!halts && reason.contains("offset 7")),
                state => panic!("{state:?}"),
            }
            assert!(!owned.wants_takeover(now), "at once");
            now += UNREADABLE_LONGEST;
            assert!(owned.wants_takeover(now));
        }
        let Request { task: Task::Look { unreadable_at, .. }, .. } = owned.ask(99, None) else {
            panic!("a look where to go on")
        };
        assert_eq!(unreadable_at, Some(7), "what is to be tried before reading begins again");
    }

    #[test]
    fn the_same_trouble_is_said_once() {
        let mut known = None;
        assert!(note(&mut known, 0, "the disk is full".into()));
        assert!(!note(&mut known, 0, "the disk is full".into()));
        assert!(note(&mut known, 0, "the topic is gone".into()));
        assert_eq!(known.as_deref(), Some("the topic is gone"));
    }
}
