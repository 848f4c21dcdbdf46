//! Simulated researchers: an endless stream of opinions that is the same for the same seed.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Battle, Rating, RatingId, Score, Voice, catalogue};

/// Makes opinions without ids; whoever sends one gives it an id at that moment.
#[derive(Clone, Debug)]
pub struct Researchers {
    random: SplitMix64,
    /// How many names they sign with; none for the one name of all.
    names: Option<u32>,
    made: u64,
}

impl Researchers {
    /// Researchers who rate the same performances in the same way whenever `seed` is the same. They all sign as
    /// "simulated".
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { random: SplitMix64(seed), names: None, made: 0 }
    }

    /// As many as `count` researchers, who rate in turns and sign as "researcher 1", "researcher 2" and so on. What they
    /// rate and how depends on the seed alone.
    #[must_use]
    pub fn named(self, count: u32) -> Self {
        Self { names: Some(count.max(1)), ..self }
    }

    /// The next opinion: a battle, two different voices and a score, each choice as likely as any other.
    pub fn opinion(&mut self) -> Opinion {
        let (voices, battles) = (catalogue::voices(), catalogue::battles());
        let first = self.random.below(voices.len());
        // A step of 1 to len-1 around the circle never comes back to the first.
        let second = (first + 1 + self.random.below(voices.len() - 1)) % voices.len();
        let rater = self.names.map(|names| self.made % u64::from(names) + 1);
        self.made += 1;
        Opinion {
            battle: &battles[self.random.below(battles.len())],
            voice1: &voices[first],
            voice2: &voices[second],
            score: Score::ALL[self.random.below(Score::ALL.len())],
            rater: Rater(rater),
        }
    }
}

impl Iterator for Researchers {
    type Item = Rating;

    /// The next opinion as a rating without an id. Never ends.
    fn next(&mut self) -> Option<Rating> {
        Some(self.opinion().into())
    }
}

/// What one simulated researcher thinks: a rating that has no id yet, and whose names are those of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Opinion {
    battle: &'static Battle,
    voice1: &'static Voice,
    voice2: &'static Voice,
    #[serde(rename = "rating")]
    score: Score,
    rater: Rater,
}

impl Opinion {
    /// Appends the value to put on the queue: the bytes that [`Rating::to_json`] gives for the same rating, without
    /// making one.
    #[expect(clippy::missing_panics_doc, reason = "text and numbers always serialize")]
    pub fn write_json(&self, id: RatingId, to: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Identified<'a> {
            id: RatingId,
            #[serde(flatten)]
            opinion: &'a Opinion,
        }
        let identified = Identified { id, opinion: self };
        serde_json::to_writer(to, &identified).expect("text and numbers always serialize");
    }
}

impl From<Opinion> for Rating {
    fn from(opinion: Opinion) -> Self {
        Self {
            id: None,
            battle: opinion.battle.clone(),
            voice1: opinion.voice1.clone(),
            voice2: opinion.voice2.clone(),
            score: opinion.score,
            rater: Some(opinion.rater.to_string()),
        }
    }
}

/// Who signs an opinion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rater(Option<u64>);

impl fmt::Display for Rater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => write!(f, "researcher {number}"),
            None => f.write_str("simulated"),
        }
    }
}

impl Serialize for Rater {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The generator of Steele, Lea and Flood (2014): 64 bits of state, good enough for a game, and the same everywhere.
#[derive(Clone, Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..limit`; the bias of the multiplication is below `limit / 2^64`.
    fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next()) * limit as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_generator_gives_the_published_numbers() {
        let mut random = SplitMix64(1_234_567);
        let numbers = [random.next(), random.next(), random.next()];
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_ratings() {
        let some = |seed| Researchers::new(seed).take(100).collect::<Vec<_>>();
        assert_eq!(some(7), some(7));
        assert_ne!(some(7), some(8));
    }

    #[test]
    fn named_researchers_rate_in_turns_and_as_the_others_do() {
        let both = Researchers::new(7).zip(Researchers::new(7).named(3));
        for (number, (unnamed, named)) in (0..10).zip(both) {
            assert_eq!(unnamed.rater.as_deref(), Some("simulated"));
            let rater = Some(format!("researcher {}", number % 3 + 1));
            assert_eq!(named, Rating { rater, ..unnamed });
        }
    }

    #[test]
    fn every_rating_is_valid_and_every_choice_is_made() {
        let (mut voices, mut battles, mut scores) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut researchers = Researchers::new(1);
        for _ in 0..10_000 {
            let (opinion, id) = (researchers.opinion(), RatingId::new());
            let rating = Rating { id: Some(id), ..opinion.into() };
            assert_ne!(rating.voice1, rating.voice2);
            *voices.entry(rating.voice1.clone()).or_insert(0) += 1;
            *voices.entry(rating.voice2.clone()).or_insert(0) += 1;
            *battles.entry(rating.battle.clone()).or_insert(0) += 1;
            *scores.entry(rating.score).or_insert(0) += 1;
            let mut json = Vec::new();
            opinion.write_json(id, &mut json);
            assert_eq!(json, rating.to_json());
            assert_eq!(Rating::parse(&json).unwrap(), rating);
        }
        assert_eq!((voices.len(), battles.len(), scores.len()), (10, 63, 3));
        // Two names a rating and ten voices: 2,000 each are expected, with a deviation of about 40.
        assert!(voices.values().all(|count| (1_700..2_300).contains(count)), "{voices:?}");
    }
}
