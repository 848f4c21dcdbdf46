//! Decode: what one record of the ratings' log says, by rules that are written down here a second
//! time. The counting has its own; a test compares the two.
//!
//! ```text
//! {"id":UUID,"battle":…,"voice1":…,"voice2":…,"rating":0|1|2}    unknown fields are skipped
//! battle|voice1|voice2|0, 1 or 2                                 the old form, without an id
//! ```

use std::borrow::Cow;

use serde::Deserialize;

use crate::limits::{NAME_CHARS_MAX, RATING_BYTES_MAX};

/// A rating that can be counted.
pub(super) struct Vote<'a> {
    /// The 16 bytes of its id; the old form has none.
    pub(super) id: Option<[u8; 16]>,
    /// For whom it counts.
    pub(super) voices: [Cow<'a, str>; 2],
    /// 0, 1 or 2.
    pub(super) score: usize,
}

/// A JSON object with exactly the fields that matter. A field that stands there twice is an error,
/// as is one of another type.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    battle: Text<'a>,
    #[serde(borrow)]
    voice1: Text<'a>,
    #[serde(borrow)]
    voice2: Text<'a>,
    rating: u64,
    #[serde(borrow, default)]
    rater: Option<Text<'a>>,
}

/// Text that is copied only if it has escapes in it.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The rating in a record's value; none if it is a dead letter.
pub(super) fn decode(value: Option<&[u8]>) -> Option<Vote<'_>> {
    let value = value.filter(|value| value.len() <= RATING_BYTES_MAX)?;
    let text = std::str::from_utf8(value).ok()?;
    let vote = if text.trim_ascii_start().starts_with('{') { json(text)? } else { old(text)? };
    (vote.voices[0] != vote.voices[1]).then_some(vote)
}

fn json(text: &str) -> Option<Vote<'_>> {
    let fields: Fields<'_> = serde_json::from_str(text).ok()?;
    name(fields.battle.0)?;
    if let Some(Text(rater)) = fields.rater
        && !rater.trim().is_empty()
    {
        name(rater)?;
    }
    Some(Vote {
        id: Some(id(&fields.id.0)?),
        voices: [name(fields.voice1.0)?, name(fields.voice2.0)?],
        score: usize::try_from(fields.rating).ok().filter(|score| *score <= 2)?,
    })
}

fn old(text: &str) -> Option<Vote<'_>> {
    let fields: Vec<&str> = text.splitn(5, '|').collect();
    let [battle, voice1, voice2, rating] = fields[..] else { return None };
    name(battle.into())?;
    Some(Vote {
        id: None,
        voices: [name(voice1.into())?, name(voice2.into())?],
        score: ["0", "1", "2"].iter().position(|score| *score == rating.trim())?,
    })
}

/// 1 to [`NAME_CHARS_MAX`] characters between the white space, none of them a control character.
fn name(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let name = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
    let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    (fits && !name.chars().any(char::is_control)).then_some(name)
}

/// `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, not all zero.
fn id(text: &str) -> Option<[u8; 16]> {
    let text = text.as_bytes();
    let hyphens = [8, 13, 18, 23];
    if text.len() != 36 || hyphens.iter().any(|at| text[*at] != b'-') {
        return None;
    }
    let digits = (0..36).filter(|at| !hyphens.contains(at));
    let mut id = [0; 16];
    for (place, at) in digits.enumerate() {
        let digit = char::from(text[at]).to_digit(16)? as u8;
        id[place / 2] = id[place / 2] << 4 | digit;
    }
    (id != [0; 16]).then_some(id)
}
