//! The score: what a researcher thought of a performance.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::Invalid;

pub(super) const NOT_A_SCORE: &str = "is not 0 (hated), 1 (meh) or 2 (liked)";

/// 0 hated, 1 meh, 2 liked; the number is what the totals add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Score {
    /// 0
    Hated = 0,
    /// 1
    Meh = 1,
    /// 2
    Liked = 2,
}

impl Score {
    /// Every score, lowest first.
    pub const ALL: [Self; 3] = [Self::Hated, Self::Meh, Self::Liked];

    /// The number on the queue, 0 to 2.
    #[must_use]
    pub const fn value(self) -> u8 {
        self as u8
    }

    /// The word a person reads.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hated => "hated",
            Self::Meh => "meh",
            Self::Liked => "liked",
        }
    }
}

impl TryFrom<u64> for Score {
    type Error = Invalid;

    fn try_from(number: u64) -> Result<Self, Invalid> {
        match number {
            0 => Ok(Self::Hated),
            1 => Ok(Self::Meh),
            2 => Ok(Self::Liked),
            _ => Err(Invalid::new("rating", format!("{number} {NOT_A_SCORE}"))),
        }
    }
}

/// A number of JSON, whose integers may be written as `2.0`, `2e0` or `-0` too.
impl TryFrom<f64> for Score {
    type Error = Invalid;

    fn try_from(number: f64) -> Result<Self, Invalid> {
        let is_whole = number >= 0.0 && number.fract() == 0.0;
        let score = Self::ALL.get(number as usize).filter(|_| is_whole);
        score.copied().ok_or_else(|| Invalid::new("rating", NOT_A_SCORE))
    }
}

impl PartialSchema for Score {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .description(Some("0 hated, 1 meh, 2 liked: the number that the totals add up."))
            .enum_values(Some(Self::ALL.map(Self::value)))
            .into()
    }
}

impl ToSchema for Score {}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Serialize for Score {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.value())
    }
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(u64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
