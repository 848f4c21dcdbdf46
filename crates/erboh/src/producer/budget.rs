//! Budget: how many bytes of ratings may be on their way to the queue at once.
//!
//! ```text
//!  a rating, a page, a short list ──► small pool ─┐
//!                                                 ├─► permit, held until every record has its result
//!  a long list, a stream ───────────► bulk pool ──┤
//!  a batch of a simulation ─────► simulated pool ─┘
//! ```
//!
//! Three pools, so that whoever sends one rating never stands in a line behind somebody's million,
//! and nobody behind a simulation, which always has more to send. Within a pool it is first come,
//! first served.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits;
use crate::queue::Batch;

/// The bytes that are left. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    small: Pool,
    bulk: Pool,
    simulated: Pool,
}

/// The right to have a batch in flight; gives its bytes back when it is dropped.
pub(super) type Permit = OwnedSemaphorePermit;

/// How long a batch may wait for its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Its sender wants an answer, be it a refusal.
    Brief,
    /// Its sender holds back what comes after it meanwhile.
    Endless,
}

#[derive(Debug, Clone)]
struct Pool {
    bytes: Arc<Semaphore>,
    capacity: u32,
}

impl Pool {
    fn new(capacity: u32) -> Self {
        Self { bytes: Arc::new(Semaphore::new(capacity as usize)), capacity }
    }

    /// A batch larger than the pool goes alone: it takes all of it.
    async fn acquire(&self, cost: usize) -> Option<Permit> {
        let bytes = u32::try_from(cost).unwrap_or(u32::MAX).min(self.capacity);
        // The semaphore is never closed.
        Arc::clone(&self.bytes).acquire_many_owned(bytes).await.ok()
    }

    fn in_use(&self) -> usize {
        (self.capacity as usize).saturating_sub(self.bytes.available_permits())
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            small: Pool::new(limits::BUDGET_SMALL_BYTES),
            bulk: Pool::new(limits::BUDGET_BULK_BYTES),
            simulated: Pool::new(limits::BUDGET_SIMULATED_BYTES),
        }
    }
}

impl Budget {
    /// Room for a batch; none when there is still none after [`limits::BUDGET_WAIT`].
    pub(super) async fn acquire(&self, batch: &Batch, patience: Patience) -> Option<Permit> {
        let cost = cost(batch);
        match patience {
            Patience::Endless => self.bulk.acquire(cost).await,
            Patience::Brief => {
                let pool = if cost <= limits::BUDGET_SMALL_COST { &self.small } else { &self.bulk };
                tokio::time::timeout(limits::BUDGET_WAIT, pool.acquire(cost)).await.ok().flatten()
            }
        }
    }

    /// Room for a batch of a simulation, however long that takes.
    pub(super) async fn acquire_simulated(&self, batch: &Batch) -> Option<Permit> {
        self.simulated.acquire(cost(batch)).await
    }

    /// Whether a list or a stream would find room; false when there is still none after
    /// [`limits::BUDGET_WAIT`].
    pub(super) async fn has_room_for_bulk(&self) -> bool {
        let room = self.bulk.acquire(limits::BUDGET_SMALL_COST);
        tokio::time::timeout(limits::BUDGET_WAIT, room).await.is_ok()
    }

    /// Bytes in flight now.
    pub(super) fn in_use(&self) -> usize {
        self.small.in_use() + self.bulk.in_use() + self.simulated.in_use()
    }
}

/// What a batch costs in memory until its results are known.
fn cost(batch: &Batch) -> usize {
    batch.bytes() + batch.len() * (limits::RECORD_COST + batch.header_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(records: usize, bytes: usize) -> Batch {
        let mut batch = Batch::new();
        (0..records).for_each(|_| batch.push(b"", &vec![0; bytes]));
        batch
    }

    #[tokio::test]
    async fn bytes_come_back_with_the_permit() {
        let budget = Budget::default();
        let permit = budget.acquire(&batch(2, 100), Patience::Brief).await;
        assert_eq!(budget.in_use(), 2 * (100 + limits::RECORD_COST));
        drop(permit);
        assert_eq!(budget.in_use(), 0);
    }

    #[test]
    fn every_record_carries_the_headers() {
        let mut batch = batch(3, 100);
        batch.header("tracestate", &[b'x'; 490]);
        assert_eq!(cost(&batch), 3 * (100 + 500 + limits::RECORD_COST));
    }

    #[tokio::test]
    async fn bulk_never_stands_in_the_way_of_one_rating() {
        let budget = Budget::default();
        let huge = batch(1, 2 * limits::BUDGET_BULK_BYTES as usize);
        let held = budget.acquire(&huge, Patience::Endless).await;
        assert!(held.is_some(), "what is larger than the pool goes alone");
        assert!(budget.acquire(&huge, Patience::Brief).await.is_none(), "and nothing beside it");
        assert!(!budget.has_room_for_bulk().await, "which is known before anything is read");
        assert!(budget.acquire(&batch(1, 100), Patience::Brief).await.is_some());
        drop(held);
        assert!(budget.has_room_for_bulk().await);
    }

    #[tokio::test]
    async fn a_simulation_stands_in_nobodys_way() {
        let budget = Budget::default();
        let huge = batch(1, limits::BUDGET_SIMULATED_BYTES as usize);
        let held = budget.acquire_simulated(&huge).await;
        let mut next = Box::pin(budget.acquire_simulated(&huge));
        assert!(futures_util::poll!(&mut next).is_pending(), "it waits for itself");
        assert!(budget.has_room_for_bulk().await);
        let list = batch(500, 100);
        assert!(budget.acquire(&list, Patience::Brief).await.is_some());
        assert!(budget.acquire(&list, Patience::Endless).await.is_some());
        drop(held);
        assert!(next.await.is_some());
    }

    #[tokio::test]
    async fn a_stream_waits_until_there_is_room() {
        let budget = Budget::default();
        let huge = batch(1, limits::BUDGET_BULK_BYTES as usize);
        let held = budget.acquire(&huge, Patience::Endless).await;
        let small = batch(1, 100);
        let mut waiting = Box::pin(budget.acquire(&small, Patience::Endless));
        let early = tokio::time::timeout(2 * limits::BUDGET_WAIT, &mut waiting).await;
        assert!(early.is_err(), "there is no room for it yet");
        drop(held);
        assert!(waiting.await.is_some());
    }
}
