//! What somebody typed into the form, and what of it has to change before it is a rating.
//!
//! ```text
//!  id=0198…&battle=…&voice1=…&voice2=…&rating=2&rater= ──► Typed ──► check ─┬─► Rating with its id
//!                                          (kept as typed, shown again) ◄───┴── every Flaw at once
//! ```
//!
//! The rules are those of [`Rating`]; only the words are for people instead of programs.

use std::borrow::Cow;

use crate::producer::forms::Flaw;
use crate::rating::{Battle, Invalid, Origin, Rating, RatingId, Score, Voice, is_blank, read_name};

/// The fields of the form as they arrived; empty where nothing did.
#[derive(Debug, Default, Clone)]
pub(super) struct Typed {
    id: String,
    /// The battle.
    pub(super) battle: String,
    /// The voice of the first part.
    pub(super) voice1: String,
    /// The voice of the second part.
    pub(super) voice2: String,
    /// The score as a number.
    rating: String,
    /// The name that the rater goes by.
    pub(super) rater: String,
    /// Fields that were there twice.
    twice: Vec<&'static str>,
}

impl Typed {
    /// Takes the fields that are known. Others are ignored, as in the API: what a browser's
    /// extension adds to a form is no reason to refuse it.
    pub(super) fn new(pairs: Vec<(String, String)>) -> Self {
        let mut typed = Self::default();
        let mut seen = Vec::new();
        for (name, value) in pairs {
            let Some((name, field)) = typed.field(&name) else { continue };
            *field = value;
            if seen.contains(&name) {
                typed.twice.push(name);
            }
            seen.push(name);
        }
        typed
    }

    fn field(&mut self, name: &str) -> Option<(&'static str, &mut String)> {
        Some(match name {
            "id" => ("id", &mut self.id),
            "battle" => ("battle", &mut self.battle),
            "voice1" => ("voice1", &mut self.voice1),
            "voice2" => ("voice2", &mut self.voice2),
            "rating" => ("rating", &mut self.rating),
            "rater" => ("rater", &mut self.rater),
            _ => return None,
        })
    }

    /// The id that the form was given when it was shown. By it a form that is sent twice counts
    /// once.
    ///
    /// # Errors
    /// Somebody changed or left out the id.
    pub(super) fn id(&self) -> Result<RatingId, Flaw> {
        self.id.parse().map_err(|_| Flaw {
            field: "id",
            advice: "The form came without its id, by which a second copy is known, and has a new \
                     one now. Send it again."
                .to_owned(),
        })
    }

    /// The rating, if everything that a rating needs is there.
    ///
    /// # Errors
    /// All flaws, in the order of the form's fields.
    pub(super) fn check(&self) -> Result<(RatingId, Rating), Vec<Flaw>> {
        let mut flaws = Vec::new();
        let id = keep(self.id(), &mut flaws);
        let battle = keep(self.name("battle", &self.battle), &mut flaws);
        let voice1 = keep(self.name("voice1", &self.voice1), &mut flaws);
        let voice2 = keep(self.second_voice(voice1.as_deref()), &mut flaws);
        let score = keep(self.score(), &mut flaws);
        let rater = keep(self.rater(), &mut flaws);
        match (id, battle, voice1, voice2, score, rater) {
            (Some(id), Some(battle), Some(voice1), Some(voice2), Some(score), Some(rater)) => {
                let battle = Battle::checked(&battle);
                let [voice1, voice2] = [voice1, voice2].map(|voice| Voice::checked(&voice));
                Ok((id, Rating { id: Some(id), battle, voice1, voice2, score, rater }))
            }
            _ => Err(flaws),
        }
    }

    fn name<'a>(&self, field: &'static str, text: &'a str) -> Result<Cow<'a, str>, Flaw> {
        self.once(field)?;
        // What is not UTF-8 has become this character on its way, and nobody types it.
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(flaw(field, "has characters that could not be read (send UTF-8 text)"));
        }
        if is_blank(Origin::Request, text) {
            return Err(Flaw { field, advice: missing(field).to_owned() });
        }
        let name = read_name(Origin::Request, field, Cow::Borrowed(text));
        name.map_err(|Invalid { field, reason }| flaw(field, &reason))
    }

    fn second_voice(&self, voice1: Option<&str>) -> Result<Cow<'_, str>, Flaw> {
        let voice = self.name("voice2", &self.voice2)?;
        if voice1 == Some(&*voice) {
            let advice = "Choose another second voice: a battle needs two different ones.";
            return Err(Flaw { field: "voice2", advice: advice.to_owned() });
        }
        Ok(voice)
    }

    /// The score, if there is one; any spelling of the number will do, as in the API.
    pub(super) fn chosen(&self) -> Option<Score> {
        let number: f64 = serde_json::from_str(&self.rating).ok()?;
        Score::try_from(number).ok()
    }

    fn score(&self) -> Result<Score, Flaw> {
        self.once("rating")?;
        let score = self.chosen();
        score.ok_or_else(|| Flaw { field: "rating", advice: missing("rating").to_owned() })
    }

    fn rater(&self) -> Result<Option<String>, Flaw> {
        if is_blank(Origin::Request, &self.rater) {
            return self.once("rater").map(|()| None);
        }
        self.name("rater", &self.rater).map(|name| Some(name.into_owned()))
    }

    /// A field that is there twice does not say which of the two counts.
    fn once(&self, field: &'static str) -> Result<(), Flaw> {
        if self.twice.contains(&field) { Err(flaw(field, "was sent twice")) } else { Ok(()) }
    }
}

/// The reason is read after the name of the field.
pub(super) fn flaw(field: &'static str, reason: &str) -> Flaw {
    Flaw { field, advice: format!("{} {reason}.", label(field)) }
}

fn keep<T>(checked: Result<T, Flaw>, flaws: &mut Vec<Flaw>) -> Option<T> {
    checked.map_err(|flaw| flaws.push(flaw)).ok()
}

/// What the form calls a field.
fn label(field: &str) -> &'static str {
    match field {
        "battle" => "Battle",
        "voice1" => "Voice 1",
        "voice2" => "Voice 2",
        "rating" => "Your rating",
        "rater" => "Your name",
        _ => "The form",
    }
}

fn missing(field: &str) -> &'static str {
    match field {
        "battle" => "Choose a battle, or type its name.",
        "voice1" => "Choose the first voice.",
        "voice2" => "Choose the second voice.",
        _ => "Choose hated, meh or liked.",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f";

    /// Names as they are and as they should not be.
    fn name() -> impl Strategy<Value = String> {
        let known = prop::sample::select(vec![
            "",
            " ",
            "Big Bird",
            " Big Bird ",
            "Macho Man",
            "|",
            "\u{200b}",
            "Ren\u{e9}e",
            "Rene\u{301}e",
        ]);
        let long = "[a\u{1F600}]{99,102}";
        prop_oneof![4 => known.prop_map(str::to_owned), 2 => "\\PC{0,4}", 1 => long, 1 => "[ -~\n\x7f]{0,4}"]
    }

    proptest! {
        /// The form has words of its own, for people, but no rules of its own.
        #[test]
        fn the_form_and_the_api_take_the_same_ratings(
            battle in name(), voice1 in name(), voice2 in name(), rater in name(), score in 0..4_u8,
        ) {
            prop_assume!(!format!("{battle}{voice1}{voice2}{rater}").contains('\u{fffd}'));
            let pairs = [
                ("id", ID), ("battle", &battle), ("voice1", &voice1), ("voice2", &voice2),
                ("rating", &score.to_string()), ("rater", &rater),
            ];
            let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let form = Typed::new(pairs.into()).check();
            let json = serde_json::json!({
                "id": ID, "battle": battle, "voice1": voice1, "voice2": voice2,
                "rating": score, "rater": rater,
            });
            let api = Rating::from_request(json.to_string().as_bytes());
            match (form, api) {
                (Ok((id, rating)), Ok(expected)) => {
                    prop_assert_eq!((Some(id), rating), (expected.id, expected));
                }
                (Err(flaws), Err(invalid)) => {
                    // The API names the first it finds wrong; the form names that one too.
                    let fields: Vec<_> = flaws.iter().map(|flaw| flaw.field).collect();
                    prop_assert!(fields.contains(&invalid.field), "{:?} {}", fields, invalid);
                }
                (form, api) => prop_assert!(false, "{:?} but {:?}", form, api),
            }
        }
    }
}
