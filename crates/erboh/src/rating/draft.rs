//! A draft: a JSON object whose fields may be of any type or absent, so that what is wrong can be said field by field.
//!
//! A typed reader would stop at the first surprise with a message about types and columns. A draft reads every field as
//! it comes, borrows its text, skips what it does not know, and is then checked.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::view::{NOT_A_SCORE, missing};
use super::{Invalid, RatingView, Score};

/// The known fields of a rating, as they were found.
#[derive(Default)]
pub(super) struct Draft<'a> {
    id: Field<'a>,
    battle: Field<'a>,
    voice1: Field<'a>,
    voice2: Field<'a>,
    rating: Field<'a>,
    rater: Field<'a>,
}

impl<'a> Draft<'a> {
    /// The rating, if every field is what it should be. The id may be absent or null.
    pub(super) fn check(self) -> Result<RatingView<'a>, Invalid> {
        let id = match self.id.optional_text("id")? {
            Some(text) => Some(text.parse()?),
            None => None,
        };
        let score = match self.rating {
            Field::Number(number) => Score::try_from(number)?,
            Field::Missing => return Err(missing("rating")),
            _ => return Err(Invalid::new("rating", NOT_A_SCORE)),
        };
        // A blank name of the rater comes from a form that was not filled in.
        let rater = self.rater.optional_text("rater")?.filter(|text| !text.trim().is_empty());
        RatingView::checked(
            id,
            self.battle.text("battle")?,
            self.voice1.text("voice1")?,
            self.voice2.text("voice2")?,
            score,
            rater,
        )
    }
}

impl<'de> Deserialize<'de> for Draft<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DraftVisitor)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Id,
    Battle,
    Voice1,
    Voice2,
    Rating,
    Rater,
    #[serde(other)]
    Unknown,
}

struct DraftVisitor;

impl<'de> Visitor<'de> for DraftVisitor {
    type Value = Draft<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rating as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Draft<'de>, A::Error> {
        let mut draft = Draft::default();
        while let Some(key) = map.next_key::<Key>()? {
            let (field, name) = match key {
                Key::Id => (&mut draft.id, "id"),
                Key::Battle => (&mut draft.battle, "battle"),
                Key::Voice1 => (&mut draft.voice1, "voice1"),
                Key::Voice2 => (&mut draft.voice2, "voice2"),
                Key::Rating => (&mut draft.rating, "rating"),
                Key::Rater => (&mut draft.rater, "rater"),
                Key::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            // JSON does not say which of two counts, and two readers would choose differently.
            if !matches!(field, Field::Missing) {
                return Err(A::Error::duplicate_field(name));
            }
            *field = map.next_value()?;
        }
        Ok(draft)
    }
}

/// What stands in one field.
#[derive(Default)]
enum Field<'a> {
    #[default]
    Missing,
    Null,
    Text(Cow<'a, str>),
    Number(u64),
    /// Anything else, by what a person calls it.
    Other(&'static str),
}

impl<'a> Field<'a> {
    fn text(self, field: &'static str) -> Result<Cow<'a, str>, Invalid> {
        self.optional_text(field)?.ok_or_else(|| missing(field))
    }

    fn optional_text(self, field: &'static str) -> Result<Option<Cow<'a, str>>, Invalid> {
        match self {
            Self::Text(text) => Ok(Some(text)),
            Self::Missing | Self::Null => Ok(None),
            Self::Number(_) => Err(Invalid::new(field, "is a number, not text")),
            Self::Other(found) => Err(Invalid::new(field, format!("is {found}, not text"))),
        }
    }
}

impl<'de> Deserialize<'de> for Field<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Field<'de>, E> {
        Ok(Field::Number(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Field<'de>, E> {
        Ok(u64::try_from(number).map_or(Field::Other("a negative number"), Field::Number))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Field<'de>, E> {
        Ok(Field::Other("a fraction"))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Field<'de>, E> {
        Ok(Field::Other("a truth value"))
    }

    fn visit_unit<E: Error>(self) -> Result<Field<'de>, E> {
        Ok(Field::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other("an object"))
    }
}
