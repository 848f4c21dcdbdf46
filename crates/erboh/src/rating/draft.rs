//! A draft: a JSON object whose fields may be of any type or absent, so that what is wrong can be said field by field.
//!
//! A typed reader would stop at the first surprise with a message about types and columns. A draft reads every field as
//! it comes, borrows its text, skips what it does not know, and is then checked.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::score::NOT_A_SCORE;
use super::view::missing;
use super::{Invalid, Origin, RatingView, Score, name};

/// The known fields of a rating, as they were found. A field that is there twice is an error: JSON does not say which
/// of two counts, and two readers would choose differently.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Draft<'a> {
    #[serde(borrow)]
    id: Field<'a>,
    #[serde(borrow)]
    battle: Field<'a>,
    #[serde(borrow)]
    voice1: Field<'a>,
    #[serde(borrow)]
    voice2: Field<'a>,
    #[serde(borrow)]
    rating: Field<'a>,
    #[serde(borrow)]
    rater: Field<'a>,
}

impl<'a> Draft<'a> {
    /// The rating, if every field is what it should be. The id may be absent or null.
    pub(super) fn check(self, origin: Origin) -> Result<RatingView<'a>, Invalid> {
        let id = match self.id.optional_text("id")? {
            Some(text) => Some(text.parse()?),
            None => None,
        };
        let score = self.rating.score(origin)?;
        let rater = self.rater.optional_text("rater")?;
        // A blank name of the rater comes from a form that was not filled in.
        let rater = rater.filter(|text| !name::is_blank(origin, text));
        let names =
            [self.battle.text("battle")?, self.voice1.text("voice1")?, self.voice2.text("voice2")?];
        RatingView::checked(origin, id, names, score, rater)
    }
}

/// What stands in one field.
#[derive(Default)]
enum Field<'a> {
    #[default]
    Missing,
    Null,
    Text(Cow<'a, str>),
    Whole(u64),
    /// A number that is negative, or written with a fraction or an exponent, or larger than the others.
    Number(f64),
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
            Self::Whole(_) | Self::Number(_) => Err(Invalid::new(field, "is a number, not text")),
            Self::Other(found) => Err(Invalid::new(field, format!("is {found}, not text"))),
        }
    }

    fn score(self, origin: Origin) -> Result<Score, Invalid> {
        match self {
            Self::Whole(number) => Score::try_from(number),
            Self::Number(number) if origin == Origin::Request => Score::try_from(number),
            Self::Missing => Err(missing("rating")),
            _ => Err(Invalid::new("rating", NOT_A_SCORE)),
        }
    }
}

/// By hand, because what serde derives for "any type" first copies the value.
impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
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
        Ok(Field::Whole(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Field<'de>, E> {
        Ok(Field::Number(number as f64))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Field<'de>, E> {
        Ok(Field::Number(number))
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
