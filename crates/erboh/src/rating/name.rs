//! The names of voices and battles: short text from outside, checked once and then cheap to share.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use utoipa::ToSchema;

use super::Invalid;
use crate::limits::NAME_CHARS_MAX;

/// Takes the white space off both ends of `text` and checks the rest: 1 to [`NAME_CHARS_MAX`] characters, none of them
/// a control character. Names are compared character by character, without any folding.
pub(crate) fn check<'a>(field: &'static str, text: &'a str) -> Result<&'a str, Invalid> {
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
        // The pattern is `check`: something to be seen, and no control character.
        #[schema(value_type = String, min_length = 1, max_length = 100, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$", example = $example)]
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
