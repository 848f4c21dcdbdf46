//! Owned: a partition that the group has given to this engine.
//!
//! ```text
//!   Wanted ─ask─► Asked ─found─► Live ─log not as expected─► Closing ─all written─► Wanted
//!     ▲             │  └─► Halted ─ask again from time to time─► …
//!     └── failed ◄──┴── restore (overtaken)
//! ```

use std::sync::Arc;
use std::time::Instant;

use super::limits::RETRY_LONGEST;
use super::live::Live;
use super::retry::Retry;
use super::takeover::Request;
use crate::totals::Snapshot;

/// How far a partition is.
pub(super) enum Stage {
    /// Nobody has been asked where to go on.
    Wanted,
    /// The take-over thread is looking.
    Asked,
    /// It is being counted.
    Live(Box<Live>),
    /// Its log is not as expected. What was counted is true of the log that was, and only here:
    /// it is written before anybody looks where to go on, or it would be taken for uncounted.
    Closing(Box<Live>),
    /// It is not counted, for this reason. It is looked at again after a while, because a log
    /// may come back, for example when a broker does.
    Halted { reason: String, look_again: Instant, asked: bool },
}

/// A partition that the group has given to this engine.
pub(super) struct Owned {
    partition: i32,
    /// The number of the newest question, by which an answer to an older one is recognised.
    turn: u64,
    pub(super) stage: Stage,
    /// What does not work at the moment.
    pub(super) problem: Option<String>,
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
            retry: Retry::default(),
            complete,
        }
    }

    /// The partition's totals, if it is being counted.
    pub(super) fn live(&mut self) -> Option<&mut Live> {
        match &mut self.stage {
            Stage::Live(live) => Some(live),
            _ => None,
        }
    }

    /// The partition's totals, if there is anything to write of them.
    pub(super) fn writes(&mut self) -> Option<&mut Live> {
        match &mut self.stage {
            Stage::Live(live) | Stage::Closing(live) => Some(live),
            _ => None,
        }
    }

    /// Whether the answer to this question is still waited for.
    pub(super) fn waits_for(&self, turn: u64) -> bool {
        let asked = matches!(&self.stage, Stage::Asked | Stage::Halted { asked: true, .. });
        asked && self.turn == turn
    }

    /// Whether the take-over thread should be asked.
    pub(super) fn wants_takeover(&self, now: Instant) -> bool {
        match &self.stage {
            Stage::Wanted => self.retry.is_due(now),
            Stage::Halted { look_again, asked, .. } => !asked && now >= *look_again,
            Stage::Asked | Stage::Live(_) | Stage::Closing(_) => false,
        }
    }

    /// The question, with what the board shows of the partition.
    /// No other question has the same `turn`: the partition may have gone and come back.
    pub(super) fn ask(&mut self, turn: u64, shown: Option<Arc<Snapshot>>) -> Request {
        self.turn = turn;
        match &mut self.stage {
            Stage::Halted { asked, .. } => *asked = true,
            stage => *stage = Stage::Asked,
        }
        Request { partition: self.partition, turn: self.turn, shown, complete: self.complete }
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
        if let Stage::Live(live) = &self.stage {
            self.complete = live.is_complete();
        }
        self.stage = Stage::Wanted;
    }

    /// Stops counting for a reason; true if that is new.
    pub(super) fn halt(&mut self, reason: String, now: Instant) -> bool {
        let new = !matches!(&self.stage, Stage::Halted { reason: before, .. } if *before == reason);
        let look_again = now + RETRY_LONGEST;
        self.stage = Stage::Halted { reason, look_again, asked: false };
        self.problem = None;
        new
    }

    /// Counts no more for this reason, writes what was counted, and then looks again.
    pub(super) fn close(&mut self, reason: &str) {
        self.problem = Some(reason.to_owned());
        let stage = std::mem::replace(&mut self.stage, Stage::Wanted);
        self.stage = match stage {
            Stage::Live(live) => Stage::Closing(live),
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

    /// Notes that counting works.
    pub(super) fn is_well(&mut self) {
        self.retry.succeeded();
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
    fn the_same_trouble_is_said_once() {
        let mut known = None;
        assert!(note(&mut known, 0, "the disk is full".into()));
        assert!(!note(&mut known, 0, "the disk is full".into()));
        assert!(note(&mut known, 0, "the topic is gone".into()));
        assert_eq!(known.as_deref(), Some("the topic is gone"));
    }
}
