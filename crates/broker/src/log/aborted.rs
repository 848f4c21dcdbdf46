//! The aborted transactions of a log, for readers of committed data to skip.

use super::batch::Header;
use std::collections::HashMap;

/// One aborted transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Aborted {
    pub(super) producer_id: i64,
    pub(super) first_offset: i64,
    /// Where its marker lies.
    pub(super) last_offset: i64,
    /// The last stable offset once the marker was written. No transaction that ended later has
    /// records before it, which is what lets a look-up stop.
    pub(super) stable_after: i64,
}

/// All of them, ordered by their markers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AbortedList(Vec<Aborted>);

impl AbortedList {
    pub(super) fn push(&mut self, aborted: Aborted) {
        self.0.push(aborted);
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Aborted> {
        self.0.iter()
    }

    /// Those that a reader of `from..until` must know.
    pub(super) fn between(&self, from: i64, until: i64) -> Vec<Aborted> {
        let mut found = Vec::new();
        let start = self.0.partition_point(|it| it.last_offset < from);
        for aborted in &self.0[start..] {
            if aborted.first_offset < until {
                found.push(*aborted);
            }
            if aborted.stable_after >= until {
                break;
            }
        }
        found
    }

    /// Forgets those whose records and marker have left the log.
    pub(super) fn forget_before(&mut self, offset: i64) {
        self.0.retain(|it| it.last_offset >= offset);
    }
}

/// The offsets of aborted transactions, per producer, for compaction.
#[derive(Debug)]
pub(super) struct AbortedByProducer(HashMap<i64, Vec<(i64, i64)>>);

impl AbortedList {
    pub(super) fn by_producer(&self) -> AbortedByProducer {
        let mut found: HashMap<i64, Vec<(i64, i64)>> = HashMap::new();
        for it in &self.0 {
            found.entry(it.producer_id).or_default().push((it.first_offset, it.last_offset));
        }
        AbortedByProducer(found)
    }
}

impl AbortedByProducer {
    /// Whether this batch of data belongs to an aborted transaction.
    pub(super) fn contains(&self, header: &Header) -> bool {
        // One producer's transactions follow each other, so the first that ends later decides.
        header.is_transactional()
            && self.0.get(&header.producer_id).is_some_and(|it| {
                let at = it.partition_point(|(_, last)| *last < header.base_offset);
                it.get(at).is_some_and(|(first, _)| *first <= header.base_offset)
            })
    }
}
