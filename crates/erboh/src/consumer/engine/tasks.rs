//! Tasks: what the counting thread asks the thread of the take-overs, and what that answers.
//!
//! ```text
//!   Look  ─► Found    where to go on in a partition
//!   Check ─► Checked  whether its next records can be read
//! ```

use std::sync::Arc;

use super::takeover::Found;
use crate::queue::{Fault, LookupError};
use crate::totals::Snapshot;

/// The question. The turn comes back with the answer, so that an answer to an older question is
/// recognised.
pub(super) struct Request {
    pub(super) partition: i32,
    pub(super) turn: u64,
    pub(super) task: Task,
}

/// What is asked.
pub(super) enum Task {
    /// What to go on from in this partition.
    Look {
        /// What the board shows of it. A totals topic that was cut off, or that comes out of a
        /// backup, knows less; the log must then bear the board out, or the board must be superseded.
        shown: Option<Arc<Snapshot>>,
        /// Whether every dead letter up to what is shown is acknowledged, so that it may be gone on from.
        complete: bool,
        /// Where records could not be read: there is nothing to go on from as long as that is so.
        unreadable_at: Option<i64>,
    },
    /// Whether the records from the first to before the second offset can be read.
    Check((i64, i64)),
}

/// The answer.
pub(super) struct Answer {
    pub(super) partition: i32,
    pub(super) turn: u64,
    pub(super) outcome: Outcome,
}

/// What came of the task.
pub(super) enum Outcome {
    /// Where to go on.
    Found(Result<Found, Failure>),
    /// Whether the records can be read.
    Checked(Result<(), Failure>),
}

/// Why a task could not be done.
#[derive(Debug)]
pub(super) enum Failure {
    /// The ratings from this offset on are there and cannot be read.
    Unreadable { offset: i64, reason: String },
    /// The log of the ratings does not have the offset any more at which reading was to go on.
    OutOfRange(String),
    /// Everything else, which is over some day.
    Other(String),
}

impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Self {
        Self::Other(error.to_string())
    }
}

impl Failure {
    /// What reading ratings has come to.
    pub(super) fn of_ratings(error: LookupError) -> Self {
        match error.fault {
            Some(Fault::Unreadable(offset)) => {
                Self::Unreadable { offset, reason: error.reason().to_owned() }
            }
            Some(Fault::OutOfRange(_)) => Self::OutOfRange(error.to_string()),
            None => error.into(),
        }
    }
}
