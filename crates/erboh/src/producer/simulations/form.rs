//! What somebody typed into the form of a simulation, and what of it has to change before it is an
//! order. The rules are those of [`Order`]; only the words are for people.

use uuid::Uuid;

use super::limits::{COUNT_MAX, DURATION_MAX, RESEARCHERS_MAX};
use super::order::{Order, expected};
use super::rate::Rate;
use crate::producer::forms::Flaw;

/// The fields of the form as they arrived.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    /// Made for each form that is shown: by it, a form that is sent twice starts one simulation.
    pub(super) key: String,
    pub(super) rate: String,
    /// How it ends: `stop`, `count` or `time`.
    pub(super) end: String,
    pub(super) count: String,
    pub(super) seconds: String,
    pub(super) researchers: String,
    pub(super) seed: String,
}

impl Typed {
    /// A new form, filled in so that a press of the button shows something.
    pub(super) fn fresh() -> Self {
        Self {
            key: Uuid::now_v7().to_string(),
            rate: "100".to_owned(),
            end: "stop".to_owned(),
            count: "1000".to_owned(),
            seconds: "60".to_owned(),
            researchers: String::new(),
            seed: String::new(),
        }
    }

    /// Takes the fields that are known; what is missing stays empty.
    pub(super) fn new(pairs: Vec<(String, String)>) -> Self {
        let empty = String::new;
        let mut typed = Self {
            key: empty(),
            rate: empty(),
            end: empty(),
            count: empty(),
            seconds: empty(),
            researchers: empty(),
            seed: empty(),
        };
        for (name, value) in pairs {
            let field = match name.as_str() {
                "key" => &mut typed.key,
                "rate" => &mut typed.rate,
                "end" => &mut typed.end,
                "count" => &mut typed.count,
                "seconds" => &mut typed.seconds,
                "researchers" => &mut typed.researchers,
                "seed" => &mut typed.seed,
                _ => continue,
            };
            *field = value;
        }
        typed
    }

    /// The order and the key of the form, if all is there.
    ///
    /// # Errors
    /// All flaws, in the order of the form's fields.
    pub(super) fn check(&self) -> Result<(Uuid, Order), Vec<Flaw>> {
        let mut flaws = Vec::new();
        let mut keep = |field, advice: String| flaws.push(Flaw { field, advice });
        let key = self.key.parse().ok();
        if key.is_none() {
            keep("key", "The form had lost its key and has a new one now. Press again.".to_owned());
        }
        let rate = rate(&self.rate);
        if rate.is_none() {
            keep("rate", format!("The rate {}.", Rate::expected()));
        }
        let (mut count, mut duration_ms) = (None, None);
        match self.end.as_str() {
            "stop" => {}
            "count" => {
                count = whole(&self.count, 1, COUNT_MAX);
                if count.is_none() {
                    keep("count", format!("The number of ratings {}.", expected(1, COUNT_MAX)));
                }
            }
            "time" => {
                duration_ms = milliseconds(&self.seconds);
                if duration_ms.is_none() {
                    let most = DURATION_MAX.as_secs();
                    keep("seconds", format!("The time must be from 0.001 to {most} seconds."));
                }
            }
            _ => keep("stop", "Choose how the simulation ends.".to_owned()),
        }
        let mut optional = |field, text: &str, name, min, max| {
            let number = whole(text, min, max);
            if number.is_none() && !text.trim().is_empty() {
                keep(field, format!("The {name} {}, or left empty.", expected(min, max)));
            }
            number
        };
        let most = u64::from(RESEARCHERS_MAX);
        let researchers =
            optional("researchers", &self.researchers, "number of researchers", 1, most);
        let seed = optional("seed", &self.seed, "seed", 0, u64::MAX);
        match (key, rate) {
            (Some(key), Some(rate)) if flaws.is_empty() => {
                let researchers = researchers.map(|researchers| researchers as u32);
                Ok((key, Order { count, duration_ms, rate, seed, researchers }))
            }
            _ => Err(flaws),
        }
    }
}

/// A rate as it is typed, also with the commas that the page itself writes.
pub(super) fn rate(text: &str) -> Option<Rate> {
    plain(text).parse().ok().and_then(Rate::new)
}

fn whole(text: &str, min: u64, max: u64) -> Option<u64> {
    plain(text).parse().ok().filter(|number| (min..=max).contains(number))
}

fn milliseconds(text: &str) -> Option<u64> {
    let seconds: f64 = plain(text).parse().ok()?;
    let milliseconds = (seconds * 1_000.0).round();
    let most = DURATION_MAX.as_millis() as f64;
    (1.0..=most).contains(&milliseconds).then_some(milliseconds as u64)
}

fn plain(text: &str) -> String {
    text.trim().replace(',', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(changes: &[(&str, &str)]) -> Typed {
        let Typed { key, rate, end, count, seconds, researchers, seed } = Typed::fresh();
        let names = ["key", "rate", "end", "count", "seconds", "researchers", "seed"];
        let pairs = names.map(str::to_owned).into_iter();
        let mut pairs: Vec<_> =
            pairs.zip([key, rate, end, count, seconds, researchers, seed]).collect();
        pairs.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Typed::new(pairs)
    }

    #[test]
    fn a_form_is_an_order_or_says_what_to_change() {
        let endless = Order::until_stopped(Rate::new(100.0).unwrap());
        assert_eq!(typed(&[]).check().unwrap().1, endless);
        let check = |changes: &[(&str, &str)], expected: Order| {
            assert_eq!(typed(changes).check().unwrap().1, expected, "{changes:?}");
        };
        let counted = Order { count: Some(12_345), ..endless.clone() };
        check(&[("end", "count"), ("count", " 12,345 "), ("seconds", "x")], counted);
        let timed = Order { duration_ms: Some(1_500), ..endless.clone() };
        check(&[("end", "time"), ("seconds", "1.5")], timed);
        let named = Order { researchers: Some(3), seed: Some(0), ..endless };
        check(&[("researchers", "3"), ("seed", "0")], named);

        let check = |changes: &[(&str, &str)], fields: &[&str]| {
            let flaws = typed(changes).check().unwrap_err();
            assert_eq!(flaws.iter().map(|flaw| flaw.field).collect::<Vec<_>>(), fields);
        };
        check(&[("key", "")], &["key"]);
        check(&[("rate", "fast"), ("seed", "-1")], &["rate", "seed"]);
        check(&[("rate", "NaN")], &["rate"]);
        check(&[("end", "")], &["stop"]);
        check(&[("end", "count"), ("count", "0")], &["count"]);
        check(&[("end", "time"), ("seconds", "86401")], &["seconds"]);
        check(&[("end", "time"), ("seconds", "inf")], &["seconds"]);
        check(&[("researchers", "many")], &["researchers"]);
    }
}
