//! Which record of a key is the newest: the memory of one compaction pass.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// The newest offset of each key, by a 128-bit digest of the key: keys can be long, and a collision
/// would lose a record, so 64 bits are too few. The hashers are keyed at random, so nobody can choose
/// keys that collide.
#[derive(Debug)]
pub(super) struct NewestOfKeys {
    offsets: HashMap<(u64, u64), i64>,
    hashers: (RandomState, RandomState),
    most: usize,
}

impl NewestOfKeys {
    /// For at most about `most` keys.
    pub(super) fn new(most: usize) -> Self {
        let hashers = (RandomState::new(), RandomState::new());
        Self { offsets: HashMap::new(), hashers, most }
    }

    /// Whether this many more keys may come. A single batch always may.
    pub(super) fn has_room_for(&self, count: usize) -> bool {
        self.offsets.is_empty() || self.offsets.len() + count <= self.most
    }

    fn digest(&self, key: &[u8]) -> (u64, u64) {
        (self.hashers.0.hash_one(key), self.hashers.1.hash_one(key))
    }

    /// Notes a record; offsets come ascending.
    pub(super) fn note(&mut self, key: &[u8], offset: i64) {
        self.offsets.insert(self.digest(key), offset);
    }

    /// Whether no newer record of this key was noted.
    pub(super) fn is_newest(&self, key: &[u8], offset: i64) -> bool {
        self.offsets.get(&self.digest(key)).is_none_or(|&newest| offset >= newest)
    }
}
