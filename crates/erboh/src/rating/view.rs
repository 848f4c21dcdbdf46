//! A rating as it stands in somebody else's bytes: checked, but not copied.
//!
//! Counting needs a rating for a few hundred nanoseconds, so that it is read without an allocation. Only text with
//! escapes in it (`\"`) has to be copied.
//!
//! ```text
//! bytes ─► UTF-8? ─► starts with '{' ─► Draft (JSON: every field of any type) ─┬─► check ─► RatingView
//!                         otherwise ─► split at '|' ────────────────────────────┘
//! ```

use std::borrow::Cow;

use super::draft::Draft;
use super::score::NOT_A_SCORE;
use super::{Invalid, Origin, Rating, RatingId, Score, id, name};
use crate::limits::RATING_BYTES_MAX;

/// A rating that borrows its names. [`super::Rating`] is the same rating with names of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RatingView<'a> {
    /// As [`super::Rating::id`].
    pub id: Option<RatingId>,
    /// As [`super::Rating::battle`].
    pub battle: Cow<'a, str>,
    /// As [`super::Rating::voice1`].
    pub voice1: Cow<'a, str>,
    /// As [`super::Rating::voice2`].
    pub voice2: Cow<'a, str>,
    /// As [`super::Rating::score`].
    pub score: Score,
    /// As [`super::Rating::rater`].
    pub rater: Option<Cow<'a, str>>,
}

impl<'a> RatingView<'a> {
    /// As [`super::Rating::parse`].
    pub fn parse(value: &'a [u8]) -> Result<Self, Invalid> {
        let text = text(value)?;
        if text.trim_ascii_start().starts_with('{') {
            let view = Self::from_json(Origin::Log, text)?;
            return if view.id.is_some() { Ok(view) } else { Err(missing("id")) };
        }
        let mut fields = text.split('|');
        match [fields.next(), fields.next(), fields.next(), fields.next(), fields.next()] {
            [Some(battle), Some(voice1), Some(voice2), Some(rating), None] => {
                let score = match rating.trim() {
                    "0" => Score::Hated,
                    "1" => Score::Meh,
                    "2" => Score::Liked,
                    _ => return Err(Invalid::new("rating", NOT_A_SCORE)),
                };
                let names = [battle, voice1, voice2].map(Cow::Borrowed);
                Self::checked(Origin::Log, None, names, score, None)
            }
            _ => Err(Invalid::new(
                "value",
                "is neither a JSON object nor battle|voice1|voice2|rating",
            )),
        }
    }

    /// As [`super::Rating::from_request`].
    pub fn from_request(body: &'a [u8]) -> Result<Self, Invalid> {
        Self::from_json(Origin::Request, text(body)?)
    }

    /// Appends the value to put on the queue, with this id: the bytes that [`super::Rating::to_json`] gives.
    pub fn write_json(&self, id: RatingId, to: &mut Vec<u8>) {
        to.extend_from_slice(b"{\"id\":\"");
        to.extend_from_slice(id.encode(&mut [0; id::TEXT_CHARS]).as_bytes());
        to.extend_from_slice(b"\",\"battle\":");
        write_text(&self.battle, to);
        to.extend_from_slice(b",\"voice1\":");
        write_text(&self.voice1, to);
        to.extend_from_slice(b",\"voice2\":");
        write_text(&self.voice2, to);
        to.extend_from_slice(b",\"rating\":");
        to.push(b'0' + self.score.value());
        if let Some(rater) = &self.rater {
            to.extend_from_slice(b",\"rater\":");
            write_text(rater, to);
        }
        to.push(b'}');
    }

    fn from_json(origin: Origin, text: &'a str) -> Result<Self, Invalid> {
        // serde would take the elements of an array for the fields, in their order.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(Invalid::new("value", "is not a JSON object"));
        }
        let draft: Draft<'a> = serde_json::from_str(text).map_err(|error| {
            // An object with a field twice: to say it were none would mislead.
            let what = if error.is_data() { "a rating" } else { "a JSON object" };
            Invalid::new("value", format!("is not {what}: {error}"))
        })?;
        draft.check(origin)
    }

    /// The rating of these names (battle, first and second voice), if they are what names should be.
    pub(super) fn checked(
        origin: Origin,
        id: Option<RatingId>,
        [battle, voice1, voice2]: [Cow<'a, str>; 3],
        score: Score,
        rater: Option<Cow<'a, str>>,
    ) -> Result<Self, Invalid> {
        let view = Self {
            id,
            battle: name::read(origin, "battle", battle)?,
            voice1: name::read(origin, "voice1", voice1)?,
            voice2: name::read(origin, "voice2", voice2)?,
            score,
            rater: rater.map(|rater| name::read(origin, "rater", rater)).transpose()?,
        };
        if view.voice1 == view.voice2 {
            return Err(Invalid::new("voice2", "is the same as voice1: a battle needs two voices"));
        }
        Ok(view)
    }
}

impl<'a> From<&'a Rating> for RatingView<'a> {
    fn from(rating: &'a Rating) -> Self {
        Self {
            id: rating.id,
            battle: rating.battle.as_str().into(),
            voice1: rating.voice1.as_str().into(),
            voice2: rating.voice2.as_str().into(),
            score: rating.score,
            rater: rating.rater.as_deref().map(Cow::Borrowed),
        }
    }
}

pub(super) fn missing(field: &'static str) -> Invalid {
    Invalid::new(field, "is missing")
}

fn text(value: &[u8]) -> Result<&str, Invalid> {
    if value.len() > RATING_BYTES_MAX {
        let reason = format!("is {} bytes long, more than {RATING_BYTES_MAX}", value.len());
        return Err(Invalid::new("value", reason));
    }
    std::str::from_utf8(value).map_err(|_| Invalid::new("value", "is not UTF-8 text"))
}

fn write_text(text: &str, to: &mut Vec<u8>) {
    serde_json::to_writer(to, text).expect("text always serializes into memory");
}
