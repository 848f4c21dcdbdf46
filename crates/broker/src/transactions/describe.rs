//! What administrators see of transactions.

use super::{Phase, Transaction, Transactions};

/// A transactional id as a list shows it.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    pub(crate) id: String,
    pub(crate) producer_id: i64,
    pub(crate) phase: Phase,
    started_ms: i64,
}

impl Listing {
    /// Time since the transaction began; `None` when none is under way.
    pub(crate) fn running_ms(&self, now_ms: i64) -> Option<i64> {
        self.phase.is_under_way().then(|| now_ms.saturating_sub(self.started_ms))
    }
}

impl Transactions {
    /// Every transactional id that has a value, in no order.
    pub(crate) fn list(&self) -> Vec<Listing> {
        let registry = self.lock();
        let listed = registry.entries.iter().filter_map(|(id, entry)| {
            let transaction = entry.transaction.as_ref()?;
            Some(Listing {
                id: id.clone(),
                producer_id: transaction.producer_id,
                phase: transaction.phase,
                started_ms: transaction.started_ms,
            })
        });
        listed.collect()
    }

    /// What `look` makes of a transactional id, if it is known.
    pub(crate) fn look<T>(&self, id: &str, look: impl FnOnce(&Transaction) -> T) -> Option<T> {
        self.lock().entries.get(id)?.transaction.as_ref().map(look)
    }
}
