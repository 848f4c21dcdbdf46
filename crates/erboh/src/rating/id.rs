//! The id of a rating: a UUID, by which a second copy of the same rating is known.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Invalid;

/// Characters of a UUID as text, with its hyphens.
const TEXT_CHARS: usize = 36;

/// Identifies one rating. Whoever sends a rating again, because the outcome was unknown, sends the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(example = "0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f")]
pub struct RatingId(Uuid);

impl RatingId {
    /// A new id (UUID version 7: ids made later sort later).
    #[must_use]
    #[expect(clippy::new_without_default, reason = "two defaults would differ")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The 16 bytes of the UUID, as the text shows them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

/// Reads the hyphenated form only, in either case. The other spellings of a UUID are refused, so that what counts as an
/// id does not depend on what a library learns to read.
impl FromStr for RatingId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let uuid = if text.len() == TEXT_CHARS { Uuid::try_parse(text).ok() } else { None };
        match uuid {
            // Clients that forget to fill in an id send this one; they would all be each other's duplicates.
            Some(uuid) if uuid.is_nil() => {
                Err(Invalid::new("id", "the nil UUID identifies nothing"))
            }
            Some(uuid) => Ok(Self(uuid)),
            None => Err(Invalid::new(
                "id",
                "is not a UUID such as 0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f",
            )),
        }
    }
}

impl fmt::Display for RatingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl Serialize for RatingId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RatingId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
