//! A rating: what one researcher thought of one performance, in which two voices battled.
//!
//! On the queue a rating is a JSON object, and its id makes a second copy of it recognisable:
//!
//! ```text
//! {"id":"0198…","battle":"Moses vs Santa Claus","voice1":"Big Bird","voice2":"Macho Man","rating":2,"rater":"Ann"}
//!    │              │                               │                 │                   │           └ optional
//!    │              │                               └── two different voices ┘            └ 0 hated, 1 meh, 2 liked
//!    │              └ 1 to 100 characters, as every name
//!    └ UUID; absent only in what a client posts, the producer then gives one
//! ```
//!
//! Older producers wrote `battle|voice 1|voice 2|rating`. That form is read too; it has no id, so it is
//! never a duplicate of another. What is neither is [`Invalid`], and says which field is wrong and why.
//!
//! What is accepted decides what a log adds up to, so the rules here are part of [`crate::totals::FOLD`].

pub mod catalogue;
mod draft;
mod id;
mod name;
mod score;
pub mod simulate;
mod view;

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

pub use id::{RatingId, TEXT_CHARS as ID_CHARS};
pub use name::{Battle, Voice};
pub(crate) use name::{is_blank, read as read_name};
pub use score::Score;
pub use view::RatingView;

/// One rating, checked: the names keep their limits and the two voices differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Rating {
    /// What makes a second copy of this rating recognisable; none in the old text form and before the producer gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<RatingId>,
    /// The battle that was performed.
    pub battle: Battle,
    /// The voice that performed the first part.
    pub voice1: Voice,
    /// The voice that performed the second part; never equal to `voice1`.
    pub voice2: Voice,
    /// What the researcher thought of it. It counts for both voices.
    #[serde(rename = "rating")]
    pub score: Score,
    /// Who rated, as they call themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1F\x7F-\x9F]*$", example = "Ann")]
    pub rater: Option<String>,
}

impl Rating {
    /// Reads the value of a record on the queue: a JSON object with an id, or the old text form, which has none.
    ///
    /// # Errors
    /// Names the first field that is missing or wrong. Never panics, whatever the bytes are.
    pub fn parse(value: &[u8]) -> Result<Self, Invalid> {
        RatingView::parse(value).map(Self::from)
    }

    /// Reads what a client posts: a JSON object that may leave out the id. Its score may be any spelling of the number,
    /// such as `2.0`, and its names are normalized (NFC): what the log then gets is the plain form of both.
    ///
    /// # Errors
    /// As [`Rating::parse`].
    pub fn from_request(body: &[u8]) -> Result<Self, Invalid> {
        RatingView::from_request(body).map(Self::from)
    }

    /// The value to put on the queue. A rating without an id is not readable from the queue: give it one first.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "text and numbers always serialize")]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text and numbers always serialize")
    }
}

impl From<RatingView<'_>> for Rating {
    fn from(view: RatingView<'_>) -> Self {
        Self {
            id: view.id,
            battle: Battle::checked(&view.battle),
            voice1: Voice::checked(&view.voice1),
            voice2: Voice::checked(&view.voice2),
            score: view.score,
            rater: view.rater.map(Cow::into_owned),
        }
    }
}

/// Where the text of a rating comes from, which decides how literally it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A record of the log. It is read to the letter, because what is accepted is part of the fold.
    Log,
    /// A request. Numbers and names that mean the same take one form before they are written.
    Request,
}

/// Why bytes are not a rating.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The field at fault, as it is called in JSON; `value` for the whole.
    pub field: &'static str,
    /// What is wrong with it, to be read after the name of the field.
    pub reason: Cow<'static, str>,
}

impl Invalid {
    /// The reason may quote what came from outside: it is text to be escaped.
    pub(crate) fn new(field: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { field, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests;
