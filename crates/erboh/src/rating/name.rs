//! The names of voices and battles: short text from outside, checked once and then cheap to share.
//!
//! ```text
//!  request ─► NFC, something to see ─► log ─► white space off both ends, 1 to NAME_CHARS_MAX characters, no control
//! ```
//!
//! On the log a name is what it is, character by character, because what is accepted there is part of the fold. What
//! comes in a request is normalized before it is written: "é" is one name, whether it was typed as one character or
//! as two.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};
use utoipa::ToSchema;

use super::{Invalid, Origin};
use crate::limits::NAME_CHARS_MAX;

/// Characters that are not to be seen and are not white space: those with the property `Default_Ignorable_Code_Point`
/// of Unicode 17, the interlinear annotations, and the empty Braille pattern.
const INVISIBLE: [RangeInclusive<char>; 18] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Reads a name, as [`check`] does. That of a request is normalized first (NFC), and must have something to see.
pub(crate) fn read<'a>(
    origin: Origin,
    field: &'static str,
    text: Cow<'a, str>,
) -> Result<Cow<'a, str>, Invalid> {
    let text = if origin == Origin::Request { normalized(text) } else { text };
    let name = match text {
        Cow::Borrowed(text) => Cow::Borrowed(check(field, text)?),
        Cow::Owned(text) => Cow::Owned(check(field, &text)?.to_owned()),
    };
    if is_blank(origin, &name) {
        return Err(Invalid::new(field, "has no visible character"));
    }
    Ok(name)
}

/// Whether there is nothing in `text`: on the log nothing but white space, in a request nothing that can be seen.
pub(crate) fn is_blank(origin: Origin, text: &str) -> bool {
    let is_invisible = |c| origin == Origin::Request && is_invisible(c);
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

fn is_invisible(c: char) -> bool {
    INVISIBLE.iter().any(|range| range.contains(&c))
}

fn normalized(text: Cow<'_, str>) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => text,
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    }
}

/// Takes the white space off both ends of `text` and checks the rest: 1 to [`NAME_CHARS_MAX`] characters, none of them
/// a control character. Names are compared character by character, without any folding.
fn check<'a>(field: &'static str, text: &'a str) -> Result<&'a str, Invalid> {
    let name = text.trim();
    if name.is_empty() {
        return Err(Invalid::new(field, "must not be empty"));
    }
    // Bytes are at least as many as characters, so that most names need no count.
    if name.len() > NAME_CHARS_MAX && name.chars().nth(NAME_CHARS_MAX).is_some() {
        return Err(Invalid::new(field, format!("is longer than {NAME_CHARS_MAX} characters")));
    }
    if name.chars().any(char::is_control) {
        return Err(Invalid::new(field, "contains a control character"));
    }
    Ok(name)
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $field:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
        // The pattern is `read`: something to be seen (of `INVISIBLE` it has those that all engines know without a
        // flag), and no control character.
        #[schema(value_type = String, min_length = 1, max_length = 100, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E\u2060-\u206F\u2800\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB][^\x00-\x1F\x7F-\x9F]*$", example = $example)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the white space off both ends and checks the rest.
            ///
            /// # Errors
            /// The name is empty, longer than [`NAME_CHARS_MAX`] characters, or has a control character.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                check($field, text).map(Self::checked)
            }

            /// For text that [`check`] has passed.
            pub(crate) fn checked(text: &str) -> Self {
                Self(text.into())
            }

            /// The name as text, to be escaped where it is shown.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    };
}

name! {
    /// Who performs, for example "Big Bird": what the totals are counted for.
    Voice, "voice", "Big Bird"
}

name! {
    /// What is performed, for example "Moses vs Santa Claus".
    Battle, "battle", "Moses vs Santa Claus"
}
