//! The id of a rating: a UUID, by which a second copy of the same rating is known.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Invalid;

/// Characters of a UUID as text, with its hyphens.
pub const TEXT_CHARS: usize = 36;

/// The lowest bits of a UUID of version 7, below version, variant and time: random, and free to count on from there.
const RANDOM_BITS: u128 = (1 << 62) - 1;

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

    /// The id of a UUID that somebody else made.
    ///
    /// # Errors
    /// The nil UUID, which identifies nothing.
    pub fn from_uuid(uuid: Uuid) -> Result<Self, Invalid> {
        // Clients that forget to fill in an id send this one; they would all be each other's duplicates.
        if uuid.is_nil() {
            return Err(Invalid::new("id", "the nil UUID identifies nothing"));
        }
        Ok(Self(uuid))
    }

    /// The id after this one: the same moment and the next random number (RFC 9562, 6.2, method 2). Many ratings that
    /// arrive together get their ids so, because fresh random bytes for each would cost a system call each.
    #[must_use]
    pub fn next(self) -> Self {
        let bits = self.0.as_u128();
        let random = (bits + 1) & RANDOM_BITS;
        Self(Uuid::from_u128((bits & !RANDOM_BITS) | random))
    }

    /// The hyphenated text, written into `buffer` and not onto the heap.
    pub fn encode<'a>(&self, buffer: &'a mut [u8; TEXT_CHARS]) -> &'a str {
        self.0.hyphenated().encode_lower(buffer)
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
            Some(uuid) => Self::from_uuid(uuid),
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
        serializer.serialize_str(self.encode(&mut [0; TEXT_CHARS]))
    }
}

impl<'de> Deserialize<'de> for RatingId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_in_a_row_differ_in_nothing_but_their_random_part() {
        let first = RatingId::new();
        let row: BTreeSet<_> =
            std::iter::successors(Some(first), |id| Some(id.next())).take(1000).collect();
        assert_eq!(row.len(), 1000);
        for id in row {
            assert_eq!(id.0.get_version_num(), 7);
            assert_eq!(id.0.get_timestamp(), first.0.get_timestamp());
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn the_last_random_number_is_followed_by_the_first() {
        let last = RatingId(Uuid::from_u128(0x0198_c5a0_1b2c_7d3e_bfff_ffff_ffff_ffff));
        assert_eq!(last.next().to_string(), "0198c5a0-1b2c-7d3e-8000-000000000000");
    }
}
