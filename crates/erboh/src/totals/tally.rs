//! A tally: how often one voice was hated, meh and liked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::rating::{Score, Voice};

/// The tallies of all voices, in the order of their names.
pub type Voices = BTreeMap<Voice, Tally>;

/// The ratings of one voice, by score. In JSON `[hated, meh, liked]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 3]", into = "[u64; 3]")]
pub struct Tally {
    /// Ratings with score 0.
    pub hated: u64,
    /// Ratings with score 1.
    pub meh: u64,
    /// Ratings with score 2.
    pub liked: u64,
}

impl Tally {
    /// Adds one rating.
    pub fn add(&mut self, score: Score) {
        match score {
            Score::Hated => self.hated += 1,
            Score::Meh => self.meh += 1,
            Score::Liked => self.liked += 1,
        }
    }

    /// Adds the ratings of another partition. Saturates, because the other tally comes from outside.
    pub fn merge(&mut self, other: Self) {
        self.hated = self.hated.saturating_add(other.hated);
        self.meh = self.meh.saturating_add(other.meh);
        self.liked = self.liked.saturating_add(other.liked);
    }

    /// The number of ratings.
    #[must_use]
    pub fn count(self) -> u64 {
        self.hated.saturating_add(self.meh).saturating_add(self.liked)
    }

    /// The sum of the scores.
    #[must_use]
    pub fn sum(self) -> u64 {
        self.liked.saturating_mul(2).saturating_add(self.meh)
    }
}

impl From<[u64; 3]> for Tally {
    fn from([hated, meh, liked]: [u64; 3]) -> Self {
        Self { hated, meh, liked }
    }
}

impl From<Tally> for [u64; 3] {
    fn from(tally: Tally) -> Self {
        [tally.hated, tally.meh, tally.liked]
    }
}
