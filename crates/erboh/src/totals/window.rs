//! The duplicate window: which ids stand in the last W offsets of a partition.
//!
//! ```text
//! ring   slot = offset mod W            ┌────┬────┬────┬────┐
//!        the id's hash, 0 for none      │ h4 │  0 │ h2 │ h3 │   offset 5 was no rating, offset 6 is next
//!                                       └────┴────┴────┴────┘
//! table  open addressing, 2W places     ┌──┬──┬──┬──┬──┬──┬──┬──┐
//!        1 + slot in the ring, 0 free   │ 0│ 3│ 0│ 0│ 1│ 0│ 4│ 0│
//!                                       └──┴──┴──┴──┴──┴──┴──┴──┘
//! ```
//!
//! Both are allocated once (2 MiB for W = 131,072, touched as they fill), so that a record costs no allocation. A hash is
//! in the ring at most once: a second copy of an id moves it to its own offset.

use std::hash::{BuildHasher, RandomState};

use super::hash::xxh64;
use crate::rating::RatingId;

/// The ids in the last W offsets, each as a hash of 8 bytes. That two of 131,072 ids share a hash by chance happens once
/// in two billion windows.
#[derive(Clone, Debug)]
pub struct Window {
    ring: Vec<u64>,
    table: Vec<u32>,
    next_offset: i64,
    /// Decides the places in the table and nothing else. It is secret, so that nobody can choose ids that all want the
    /// same place and so make the counting slow.
    keys: [u64; 2],
}

impl Window {
    /// An empty window of `offsets` offsets, a power of two, which ends before `next_offset`.
    ///
    /// # Panics
    /// `offsets` is not a power of two, or above 2^31.
    #[must_use]
    pub fn new(offsets: i64, next_offset: i64) -> Self {
        assert!(offsets.count_ones() == 1 && (1..=1 << 31).contains(&offsets), "{offsets}");
        let random = RandomState::new();
        Self {
            ring: vec![0; offsets as usize],
            table: vec![0; offsets as usize * 2],
            next_offset,
            keys: [random.hash_one(0), random.hash_one(1)],
        }
    }

    /// The number of offsets that the window spans, W.
    #[must_use]
    pub fn offsets(&self) -> i64 {
        self.ring.len() as i64
    }

    /// The offset behind the last one that was added or skipped.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Forgets everything and continues at `next_offset`, which may be lower than before.
    pub fn clear(&mut self, next_offset: i64) {
        self.ring.fill(0);
        self.table.fill(0);
        self.next_offset = next_offset;
    }

    /// Adds the record at `offset`, which must not be below an earlier one, and says whether its id stands in the W
    /// offsets before it. A record without an id only occupies its offset.
    pub fn add(&mut self, offset: i64, id: Option<RatingId>) -> bool {
        debug_assert!(offset >= self.next_offset, "{offset} is before {}", self.next_offset);
        self.skip_to(offset);
        // The oldest offset of the window shares a slot with the new one: look first, then let it go.
        let hash = id.map(hash);
        let known = hash.and_then(|hash| self.find(hash));
        if let Some(place) = known {
            self.remove(place);
        }
        self.skip_to(offset.saturating_add(1));
        if let Some(hash) = hash {
            self.insert(hash, self.slot(offset));
        }
        known.is_some()
    }

    /// Lets go of what is no longer in the window once `next_offset` comes next.
    fn skip_to(&mut self, next_offset: i64) {
        if next_offset.saturating_sub(self.next_offset) >= self.offsets() {
            self.clear(next_offset);
        }
        while self.next_offset < next_offset {
            let slot = self.slot(self.next_offset);
            if self.ring[slot] != 0
                && let Some(place) = self.find(self.ring[slot])
            {
                self.remove(place);
            }
            self.next_offset += 1;
        }
    }

    fn slot(&self, offset: i64) -> usize {
        offset as usize & (self.ring.len() - 1)
    }

    /// The first place in the table where `hash` may be.
    fn home(&self, hash: u64) -> usize {
        let product = u128::from(hash ^ self.keys[0]) * u128::from(self.keys[1] | 1);
        (product as u64 ^ (product >> 64) as u64) as usize & (self.table.len() - 1)
    }

    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.table.len() - 1)
    }

    /// The hash at a place of the table.
    fn at(&self, place: usize) -> Option<u64> {
        (self.table[place] as usize).checked_sub(1).map(|slot| self.ring[slot])
    }

    fn find(&self, hash: u64) -> Option<usize> {
        let mut place = self.home(hash);
        loop {
            match self.at(place) {
                None => return None,
                Some(found) if found == hash => return Some(place),
                Some(_) => place = self.after(place),
            }
        }
    }

    /// `hash` is not in the table, and the table is at most half full.
    fn insert(&mut self, hash: u64, slot: usize) {
        let mut place = self.home(hash);
        while self.table[place] != 0 {
            place = self.after(place);
        }
        self.ring[slot] = hash;
        self.table[place] = slot as u32 + 1;
    }

    /// Frees a place and closes the hole: whatever comes behind it and may stand in it moves up, so that searches can
    /// go on stopping at the first free place.
    fn remove(&mut self, place: usize) {
        self.ring[self.table[place] as usize - 1] = 0;
        self.table[place] = 0;
        let (mut hole, mut place) = (place, self.after(place));
        while let Some(hash) = self.at(place) {
            let steps = |from: usize| place.wrapping_sub(from) & (self.table.len() - 1);
            if steps(self.home(hash)) >= steps(hole) {
                self.table[hole] = std::mem::take(&mut self.table[place]);
                hole = place;
            }
            place = self.after(place);
        }
    }
}

/// Never 0, which stands for "no id" in the ring.
fn hash(id: RatingId) -> u64 {
    xxh64(id.as_bytes(), 0).max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn id(number: u8) -> RatingId {
        format!("00000000-0000-7000-8000-0000000001{number:02x}").parse().unwrap()
    }

    /// One offset after the other: how far it is ahead, and which id stands there.
    fn steps() -> impl Strategy<Value = Vec<(i64, Option<u8>)>> {
        let ahead = prop_oneof![8 => Just(0_i64), 2 => 0_i64..5, 1 => 0_i64..40];
        proptest::collection::vec((ahead, proptest::option::weighted(0.9, 0_u8..24)), 0..300)
    }

    proptest! {
        #[test]
        fn it_answers_as_a_list_of_the_last_offsets_would(steps in steps(), exponent in 0_u32..5, start in 0_i64..50) {
            let offsets = 1_i64 << exponent;
            let mut window = Window::new(offsets, start);
            let mut list: VecDeque<(i64, u8)> = VecDeque::new();
            let mut offset = start;
            for (ahead, number) in steps {
                offset += ahead;
                list.retain(|(at, _)| *at >= offset - offsets);
                let expected = number.is_some_and(|number| list.iter().any(|(_, known)| *known == number));
                prop_assert_eq!(window.add(offset, number.map(id)), expected, "at {}", offset);
                list.extend(number.map(|number| (offset, number)));
                offset += 1;
                let held = window.ring.iter().filter(|hash| **hash != 0).count();
                prop_assert_eq!(held, window.table.iter().filter(|slot| **slot != 0).count());
            }
        }
    }

    #[test]
    fn a_copy_at_the_far_end_is_still_a_duplicate() {
        let mut window = Window::new(4, 0);
        assert!(!window.add(0, Some(id(1))));
        assert!(window.add(4, Some(id(1))), "0 is one of the four offsets before 4");
        assert!(!window.add(9, Some(id(1))), "4 is not one of the four offsets before 9");
    }

    #[test]
    fn a_leap_to_the_end_of_all_offsets_is_survived() {
        let mut window = Window::new(4, 0);
        window.add(0, Some(id(1)));
        assert!(!window.add(i64::MAX - 1, Some(id(1))));
        assert!(window.add(i64::MAX, Some(id(1))));
    }
}
