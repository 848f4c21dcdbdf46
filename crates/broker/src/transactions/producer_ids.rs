//! Producer ids: numbers that are never given out twice, not even after a crash.
//!
//! The store remembers the first number that was not reserved. Ids come out of a reserved block;
//! what is left of a block when the broker stops is skipped.

use std::ops::Range;

use serde_json::Value;

use crate::journal::Change;
use crate::limits::PRODUCER_ID_BLOCK;

/// Where the store keeps the first number that was not reserved.
pub(crate) const KEY: &str = "next_producer_id";

/// See the module.
#[derive(Debug)]
pub(crate) struct ProducerIds {
    /// Reserved and not given out.
    free: Range<i64>,
    /// Not reserved, not even in a write that is on its way.
    next_block: i64,
}

impl ProducerIds {
    /// `stored` is what the store has under [`KEY`].
    pub(crate) fn load(stored: Option<&Value>) -> Self {
        let next_block = stored.and_then(Value::as_i64).unwrap_or(0);
        Self { free: 0..0, next_block }
    }

    pub(crate) fn take(&mut self) -> Option<i64> {
        self.free.next()
    }

    /// Plans the reservation of a block. It may be given out once the change is in the store.
    pub(crate) fn reserve(&mut self) -> (Range<i64>, Change) {
        let block = self.next_block..self.next_block + PRODUCER_ID_BLOCK;
        self.next_block = block.end;
        let change = (KEY.to_owned(), Some(Value::from(block.end)));
        (block, change)
    }

    /// Takes over a reserved block. If two requests reserved at the same time, the rest of one
    /// block is skipped.
    pub(crate) fn reserved(&mut self, block: Range<i64>) {
        self.free = block;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_repeats_a_number_after_a_crash() {
        let mut ids = ProducerIds::load(None);
        assert_eq!(ids.take(), None);
        let (block, (_, stored)) = ids.reserve();
        let (other, (_, stored_later)) = ids.reserve();
        assert_eq!(block.end, other.start);
        ids.reserved(block);
        let given = ids.take().unwrap();
        // The later reservation may or may not have reached the store.
        for stored in [stored, stored_later] {
            let mut after = ProducerIds::load(stored.as_ref());
            let (block, _) = after.reserve();
            assert!(block.start > given);
        }
    }
}
