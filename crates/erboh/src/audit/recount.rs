//! Recount: what the records of one partition add up to, counted in the plainest way.
//!
//! ```text
//! offset, value ─► decode ─┬─ no rating ────────────────────────────► dead letters
//!                          ├─ its id stands in the last W offsets ──► duplicates
//!                          └─ otherwise ─► both voices ─────────────► ratings
//! ```

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Deserialize;

use super::decode::decode;
use crate::limits::{VOICES_MAX, WINDOW_OFFSETS};

/// What records add up to. Signed, so that two can be subtracted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Totals {
    /// Ratings that count.
    pub(super) counted: i64,
    /// Second copies.
    pub(super) duplicates: i64,
    /// Records that are no ratings.
    pub(super) dead: i64,
    /// Ratings of every voice with score 0, 1 and 2.
    pub(super) voices: BTreeMap<String, [i64; 3]>,
}

impl Totals {
    /// What is left of these after `other` is taken away; voices without a difference are left out.
    pub(super) fn minus(&self, other: &Self) -> Self {
        self.with(other, i64::saturating_sub)
    }

    /// Both together.
    pub(super) fn plus(&self, other: &Self) -> Self {
        self.with(other, i64::saturating_add)
    }

    /// Saturating, because statements come from outside.
    fn with(&self, other: &Self, combine: fn(i64, i64) -> i64) -> Self {
        let mut voices = self.voices.clone();
        for (voice, tally) in &other.voices {
            if !voices.contains_key(voice) {
                voices.insert(voice.clone(), [0; 3]);
            }
            if let Some(sum) = voices.get_mut(voice) {
                *sum = std::array::from_fn(|score| combine(sum[score], tally[score]));
            }
        }
        voices.retain(|_, tally| *tally != [0; 3]);
        Self {
            counted: combine(self.counted, other.counted),
            duplicates: combine(self.duplicates, other.duplicates),
            dead: combine(self.dead, other.dead),
            voices,
        }
    }

    /// Whether there is nothing in them.
    pub(super) fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// A recount under way.
pub(super) struct Recount {
    totals: Totals,
    window: i64,
    /// Every id in the window with the offset of its last copy.
    seen: HashMap<[u8; 16], i64>,
    /// The same in the order of the log.
    order: VecDeque<(i64, [u8; 16])>,
}

impl Recount {
    /// Nothing counted yet.
    pub(super) fn new() -> Self {
        Self::with_window(WINDOW_OFFSETS)
    }

    /// A window of another size gives other totals; only tests may want one.
    pub(super) fn with_window(window: i64) -> Self {
        let (seen, order) = (HashMap::new(), VecDeque::new());
        Self { totals: Totals::default(), window, seen, order }
    }

    /// What was counted so far.
    pub(super) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Adds the next record; offsets ascend.
    pub(super) fn add(&mut self, offset: i64, value: Option<&[u8]>) {
        let Some(vote) = decode(value) else {
            self.totals.dead += 1;
            return;
        };
        if vote.id.is_some_and(|id| self.is_copy(offset, id)) {
            self.totals.duplicates += 1;
            return;
        }
        let voices = &mut self.totals.voices;
        let new = vote.voices.iter().filter(|voice| !voices.contains_key(voice.as_ref())).count();
        if voices.len() + new > VOICES_MAX {
            self.totals.dead += 1;
            return;
        }
        for voice in vote.voices {
            if let Some(tally) = voices.get_mut(voice.as_ref()) {
                tally[vote.score] += 1;
            } else {
                let mut tally = [0; 3];
                tally[vote.score] = 1;
                voices.insert(voice.into_owned(), tally);
            }
        }
        self.totals.counted += 1;
    }

    /// Whether `id` stands in the window before `offset`. From now on it stands at `offset`.
    fn is_copy(&mut self, offset: i64, id: [u8; 16]) -> bool {
        while let Some((at, old)) = self.order.front().copied()
            && at < offset.saturating_sub(self.window)
        {
            self.order.pop_front();
            // A later copy may stand in the window still.
            if self.seen.get(&old) == Some(&at) {
                self.seen.remove(&old);
            }
        }
        self.order.push_back((offset, id));
        self.seen.insert(id, offset).is_some()
    }
}

#[cfg(test)]
mod tests;
