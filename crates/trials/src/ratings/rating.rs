//! Generated ratings: the n-th rating is a function of the campaign and of n.
//!
//! ```text
//!  number ─► id, battle, voices, score ─► JSON
//!  id ─► number
//! ```
//!
//! So the ledger stores only numbers, and every record in the log can be compared with the rating
//! that was sent.

use serde_json::json;
use uuid::{Builder, Uuid};

/// Some are in the catalogue and some are not.
const VOICES: [&str; 12] = [
    "Darth Vader",
    "Macho Man",
    "Stephen Hawking",
    "Christopher Walken",
    "Marilyn Monroe",
    "Santa Claus",
    "Mother Teresa",
    "Big Bird",
    "Joan of Arc",
    "<b>Ada</b>",
    "Žižek 🎤",
    "a \"quoted\" voice",
];

/// A number occupies 56 bits of the id.
const NUMBER_BYTES: usize = 7;

/// The ratings of one campaign.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ratings {
    campaign: u64,
}

impl Ratings {
    /// The ratings of a campaign.
    pub(crate) const fn new(campaign: u64) -> Self {
        Self { campaign }
    }

    /// The id of a rating.
    pub(crate) fn id(self, number: u64) -> Uuid {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&self.campaign.to_be_bytes()[2..]);
        bytes[16 - NUMBER_BYTES..].copy_from_slice(&number.to_be_bytes()[8 - NUMBER_BYTES..]);
        // Sets the version and variant bits, which are in the two bytes between.
        Builder::from_random_bytes(bytes).into_uuid()
    }

    /// The number of a rating; `None` if it belongs to another campaign.
    pub(crate) fn number(self, id: Uuid) -> Option<u64> {
        let mut bytes = [0; 8];
        bytes[8 - NUMBER_BYTES..].copy_from_slice(&id.as_bytes()[16 - NUMBER_BYTES..]);
        let number = u64::from_be_bytes(bytes);
        (self.id(number) == id).then_some(number)
    }

    /// The two voices.
    pub(crate) fn voices(number: u64) -> [&'static str; 2] {
        let count = VOICES.len() as u64;
        let first = number % count;
        let second = (first + 1 + number / count % (count - 1)) % count;
        [VOICES[first as usize], VOICES[second as usize]]
    }

    /// 0 is hated, 1 meh, 2 liked.
    pub(crate) fn score(number: u64) -> usize {
        (number / 7 % 3) as usize
    }

    /// The request body.
    pub(crate) fn json(self, number: u64) -> String {
        let [voice1, voice2] = Self::voices(number);
        json!({
            "id": self.id(number), "battle": "Order vs Chaos", "voice1": voice1, "voice2": voice2,
            "rating": Self::score(number),
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_recovered_from_the_id() {
        let ratings = Ratings::new(0xfeed_beef_cafe);
        for number in [0, 1, 77, 1_000_000, (1 << 56) - 1] {
            assert_eq!(ratings.number(ratings.id(number)), Some(number));
        }
        assert_eq!(Ratings::new(1).number(ratings.id(5)), None);
    }

    #[test]
    fn generated_ratings_are_valid() {
        for number in 0..500 {
            let json = Ratings::new(3).json(number);
            let rating = erboh::rating::Rating::parse(json.as_bytes()).unwrap();
            assert_eq!(rating.score as usize, Ratings::score(number));
        }
    }
}
