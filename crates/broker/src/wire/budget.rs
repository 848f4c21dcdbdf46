//! The memory budget: bytes of large requests and answers that may be held at one time.
//!
//! It is shared by all connections, so memory stays bounded however many there are. Waiting for
//! room is in order of arrival and has an end, so nobody waits for ever behind a slow client.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits::MEMORY_WAIT;

/// Bytes that are left, as permits of a semaphore: one permit is one byte.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    left: Arc<Semaphore>,
    total_bytes: u32,
}

/// Bytes in use. They go back when this is dropped.
pub(crate) type Share = OwnedSemaphorePermit;

impl Budget {
    pub(crate) fn new(total_bytes: u32) -> Self {
        Self { left: Arc::new(Semaphore::new(total_bytes as usize)), total_bytes }
    }

    /// Takes room for `bytes`, or for the whole budget if that is less. `None` when there was
    /// none in time.
    pub(crate) async fn take(&self, bytes: usize) -> Option<Share> {
        self.take_within(bytes, MEMORY_WAIT).await
    }

    async fn take_within(&self, bytes: usize, wait: Duration) -> Option<Share> {
        let taken = Arc::clone(&self.left).acquire_many_owned(self.permits(bytes));
        // The semaphore is never closed, so the inner result is always a permit.
        timeout(wait, taken).await.ok()?.ok()
    }

    /// Takes room only if there is some now.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Share> {
        Arc::clone(&self.left).try_acquire_many_owned(self.permits(bytes)).ok()
    }

    fn permits(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.total_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_for_room_has_an_end() {
        let budget = Budget::new(10);
        let all = budget.take(1_000).await.expect("a request larger than all gets all");
        assert!(budget.try_take(1).is_none());
        assert!(budget.take_within(1, Duration::from_millis(1)).await.is_none());
        drop(all);
        assert!(budget.take(10).await.is_some());
    }
}
