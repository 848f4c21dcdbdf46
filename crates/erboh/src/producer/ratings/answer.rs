//! Answers: what became of each rating of a request, as a program reads it.
//!
//! ```text
//!  one rating  201 {"id","partition","offset"}
//!  an array    200 {"items":[{"status":"created","index":0,…},…],"created","invalid","unavailable","unknown"}
//!  lines       200 {"status":"created","line":1,…}⏎ … {"status":"done","created",…,"lines"}⏎
//! ```

use serde::Serialize;
use utoipa::ToSchema;

use crate::queue::{Placed, SendError};
use crate::rating::{Invalid, RatingId};

/// Where a rating is. With the position vector of the board, a client can tell when it has been counted:
/// `position[partition] > offset`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Created {
    /// The rating's id, given or made.
    #[schema(value_type = uuid::Uuid)]
    pub(super) id: RatingId,
    /// The partition of the topic, from 0.
    #[schema(minimum = 0)]
    pub(super) partition: i32,
    /// The offset in the partition, from 0.
    #[schema(minimum = 0)]
    pub(super) offset: i64,
}

/// What became of one rating of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(super) enum Item<'a> {
    /// It is on the queue, acknowledged by every in-sync replica of the topic.
    Created {
        /// Its place in the array, from 0.
        #[serde(skip_serializing_if = "Option::is_none")]
        index: Option<u64>,
        /// Its line, from 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<u64>,
        /// Its id, given or made.
        #[schema(value_type = uuid::Uuid)]
        id: RatingId,
        /// The partition of the topic, from 0.
        #[schema(minimum = 0)]
        partition: i32,
        /// The offset in the partition, from 0.
        #[schema(minimum = 0)]
        offset: i64,
    },
    /// It was not sent, and would not be the next time.
    Invalid {
        /// Its place in the array, from 0.
        #[serde(skip_serializing_if = "Option::is_none")]
        index: Option<u64>,
        /// Its line, from 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<u64>,
        /// The field at fault; `value` for the whole.
        field: &'a str,
        /// What is wrong with it, to be read after the name of the field.
        reason: &'a str,
    },
    /// It is certainly not on the queue: send it again later.
    Unavailable {
        /// Its place in the array, from 0.
        #[serde(skip_serializing_if = "Option::is_none")]
        index: Option<u64>,
        /// Its line, from 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<u64>,
        /// The id that it would have had.
        #[schema(value_type = uuid::Uuid)]
        id: RatingId,
        /// Why.
        reason: &'a str,
    },
    /// It may be on the queue: send it again with this id, then it counts once.
    Unknown {
        /// Its place in the array, from 0.
        #[serde(skip_serializing_if = "Option::is_none")]
        index: Option<u64>,
        /// Its line, from 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<u64>,
        /// Its id.
        #[schema(value_type = uuid::Uuid)]
        id: RatingId,
        /// Why nobody knows.
        reason: &'a str,
    },
}

/// The answer to an array.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the schema of an answer that is written piece by piece")]
pub(super) struct List<'a> {
    /// One for each element in its order; with `Prefer: return=minimal` those that were not created.
    items: Vec<Item<'a>>,
    #[serde(flatten)]
    counts: Counts,
}

/// How many ratings of a request had which outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Counts {
    /// On the queue.
    pub(super) created: u64,
    /// Not sent, for a fault of their own.
    pub(super) invalid: u64,
    /// Certainly not on the queue.
    pub(super) unavailable: u64,
    /// Nobody knows.
    pub(super) unknown: u64,
}

/// The last line of the answer to lines.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(super) enum Last {
    /// The upload was read to its end, and every line has its answer.
    Done {
        #[serde(flatten)]
        counts: Counts,
        /// Lines of the upload, blank ones too.
        lines: u64,
    },
    /// The upload was not read to its end. The lines before it have their answers.
    Aborted {
        /// Why, and from where to go on.
        reason: String,
        #[serde(flatten)]
        counts: Counts,
        /// Lines that were taken, blank ones too.
        lines: u64,
    },
}

/// A line of the answer to lines.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is the schema of lines that are written one by one")]
pub(super) enum AnswerLine<'a> {
    Item(Item<'a>),
    Last(Last),
}

/// Where an item stands in its request.
#[derive(Debug, Clone, Copy)]
pub(super) enum At {
    /// Its place in an array, from 0.
    Index(u64),
    /// Its line, from 1.
    Line(u64),
}

/// What became of one rating, before it is told.
#[derive(Debug)]
pub(in crate::producer) enum Outcome {
    Created(RatingId, Placed),
    Invalid(Invalid),
    /// The id is that of another rating.
    Reused,
    Failed(RatingId, SendError),
}

/// Said of an id that another rating has.
pub(super) const REUSED: &str = "was given to another rating just now; give a new rating a new id, or repeat the old one unchanged";

impl Outcome {
    pub(super) fn is_created(&self) -> bool {
        matches!(self, Self::Created(..))
    }

    /// The item that tells this.
    pub(super) fn item(&self, at: At) -> Item<'_> {
        let (index, line) = match at {
            At::Index(index) => (Some(index), None),
            At::Line(line) => (None, Some(line)),
        };
        match self {
            &Self::Created(id, Placed { partition, offset }) => {
                Item::Created { index, line, id, partition, offset }
            }
            Self::Invalid(Invalid { field, reason }) => {
                Item::Invalid { index, line, field, reason }
            }
            Self::Reused => Item::Invalid { index, line, field: "id", reason: REUSED },
            Self::Failed(_, SendError::TooLarge) => Item::Invalid {
                index,
                line,
                field: "value",
                reason: "is larger than the topic takes (max.message.bytes)",
            },
            Self::Failed(id, SendError::Unavailable(reason) | SendError::Refused(reason)) => {
                Item::Unavailable { index, line, id: *id, reason }
            }
            Self::Failed(id, SendError::Unknown(reason)) => {
                Item::Unknown { index, line, id: *id, reason }
            }
        }
    }
}

impl Counts {
    /// Counts an item.
    pub(super) fn add(&mut self, item: &Item<'_>) {
        *match item {
            Item::Created { .. } => &mut self.created,
            Item::Invalid { .. } => &mut self.invalid,
            Item::Unavailable { .. } => &mut self.unavailable,
            Item::Unknown { .. } => &mut self.unknown,
        } += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_last_lines_read_as_documented() {
        let id: RatingId = "0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f".parse().expect("an id");
        let check = |outcome: &Outcome, at: At, expected: &str| {
            let item = outcome.item(at);
            assert_eq!(
                serde_json::to_string(&item).expect("JSON").replace(&id.to_string(), "ID"),
                expected
            );
        };
        let created = Outcome::Created(id, Placed { partition: 1, offset: 7 });
        check(
            &created,
            At::Line(1),
            r#"{"status":"created","line":1,"id":"ID","partition":1,"offset":7}"#,
        );
        let invalid = Outcome::Invalid(Invalid { field: "battle", reason: "is missing".into() });
        check(
            &invalid,
            At::Index(0),
            r#"{"status":"invalid","index":0,"field":"battle","reason":"is missing"}"#,
        );
        let failed = |error| Outcome::Failed(id, error);
        check(
            &failed(SendError::Unavailable("no".into())),
            At::Index(2),
            r#"{"status":"unavailable","index":2,"id":"ID","reason":"no"}"#,
        );
        check(
            &failed(SendError::Unknown("late".into())),
            At::Line(2),
            r#"{"status":"unknown","line":2,"id":"ID","reason":"late"}"#,
        );
        let last = Last::Done { counts: Counts { created: 1, ..Counts::default() }, lines: 2 };
        let last = serde_json::to_string(&last).expect("JSON");
        assert_eq!(
            last,
            r#"{"status":"done","created":1,"invalid":0,"unavailable":0,"unknown":0,"lines":2}"#
        );
    }
}
