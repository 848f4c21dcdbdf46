//! Simulated researchers: an endless stream of ratings that is the same for the same seed.

use super::{Rating, Score, catalogue};

/// Makes ratings without ids; whoever sends one gives it an id at that moment.
#[derive(Clone, Debug)]
pub struct Researchers {
    random: SplitMix64,
}

impl Researchers {
    /// Researchers who rate the same performances in the same way whenever `seed` is the same.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { random: SplitMix64(seed) }
    }
}

impl Iterator for Researchers {
    type Item = Rating;

    /// A battle, two different voices and a score, each choice as likely as any other. Never ends.
    fn next(&mut self) -> Option<Rating> {
        let (voices, battles) = (catalogue::voices(), catalogue::battles());
        let first = self.random.below(voices.len());
        // A step of 1 to len-1 around the circle never comes back to the first.
        let second = (first + 1 + self.random.below(voices.len() - 1)) % voices.len();
        Some(Rating {
            id: None,
            battle: battles[self.random.below(battles.len())].clone(),
            voice1: voices[first].clone(),
            voice2: voices[second].clone(),
            score: Score::ALL[self.random.below(Score::ALL.len())],
            rater: Some("simulated".to_owned()),
        })
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
    use crate::rating::RatingId;

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
    fn every_rating_is_valid_and_every_choice_is_made() {
        let (mut voices, mut battles, mut scores) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for mut rating in Researchers::new(1).take(10_000) {
            assert_ne!(rating.voice1, rating.voice2);
            *voices.entry(rating.voice1.clone()).or_insert(0) += 1;
            *voices.entry(rating.voice2.clone()).or_insert(0) += 1;
            *battles.entry(rating.battle.clone()).or_insert(0) += 1;
            *scores.entry(rating.score).or_insert(0) += 1;
            rating.id = Some(RatingId::new());
            assert_eq!(Rating::parse(&rating.to_json()).unwrap(), rating);
        }
        assert_eq!((voices.len(), battles.len(), scores.len()), (10, 63, 3));
        // Two names a rating and ten voices: 2,000 each are expected, with a deviation of about 40.
        assert!(voices.values().all(|count| (1_700..2_300).contains(count)), "{voices:?}");
    }
}
