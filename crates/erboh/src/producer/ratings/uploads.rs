//! Uploads: how many lists and streams there may be at once, by the memory that they can take.
//!
//! ```text
//!  a list    3 × its bytes, or its bytes and ARRAY_ITEM_BYTES for each element; until its answer is taken
//!  a stream  buffers of fixed size, however long it is
//!  zstd      and its window
//! ```
//!
//! What is on its way to the queue is counted by the budget of the intake, not here.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::media::Coding;
use super::seats::{Seat, Seats};
use crate::limits;
use crate::web::{Problem, kinds};

const KIB: usize = 1024;

/// What a list of ratings of usual size takes, as a multiple of its bytes.
const LIST_FACTOR: usize = 3;

/// The memory that is left for uploads. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Uploads {
    /// In KiB.
    lists: Arc<Semaphore>,
    streams: Seats,
}

/// The right to the memory of one list.
pub(super) type Place = OwnedSemaphorePermit;

impl Default for Uploads {
    fn default() -> Self {
        let lists = Arc::new(Semaphore::new(limits::LISTS_BYTES / KIB));
        Self { lists, streams: Seats::default() }
    }
}

impl Uploads {
    /// A place for a list of at most `bytes`.
    pub(super) async fn list(&self, bytes: usize) -> Result<Place, Problem> {
        self.acquire(LIST_FACTOR * bytes).await
    }

    /// The same place for a list of which it is now known how many elements it has.
    pub(super) async fn list_of(
        &self,
        mut place: Place,
        bytes: usize,
        elements: usize,
    ) -> Result<Place, Problem> {
        let needed = bytes + elements * limits::ARRAY_ITEM_BYTES;
        let more = needed.saturating_sub(place.num_permits() * KIB);
        if more > 0 {
            place.merge(self.acquire(more).await?);
        }
        Ok(place)
    }

    /// A seat for a stream.
    pub(super) async fn stream(&self, coding: Coding) -> Result<Seat, Problem> {
        let bytes = limits::STREAM_BYTES + window(coding);
        self.streams.take(bytes).await.ok_or_else(busy)
    }

    /// A place for what decompresses one rating or a list, if that needs one.
    pub(super) async fn decoder(&self, coding: Coding) -> Result<Option<Place>, Problem> {
        match window(coding) {
            0 => Ok(None),
            bytes => self.acquire(bytes).await.map(Some),
        }
    }

    async fn acquire(&self, bytes: usize) -> Result<Place, Problem> {
        let place = Arc::clone(&self.lists).acquire_many_owned(bytes.div_ceil(KIB) as u32);
        timeout(limits::BUDGET_WAIT, place).await.ok().and_then(Result::ok).ok_or_else(busy)
    }
}

fn busy() -> Problem {
    let detail = "Nothing was sent: too many uploads are being read; try this again.";
    Problem::new(kinds::TOO_BUSY, detail).retry_after(limits::BUSY_RETRY_AFTER)
}

/// What a decoder keeps of what it has decompressed: all of the window that a client may ask for.
fn window(coding: Coding) -> usize {
    if coding == Coding::Zstd { super::body::ZSTD_WINDOW_BYTES } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_is_given_out_once() {
        let uploads = Uploads::default();
        let mut held = Vec::new();
        while let Ok(place) = uploads.decoder(Coding::Zstd).await {
            held.push(place.expect("zstd has a window"));
            assert!(held.len() * super::super::body::ZSTD_WINDOW_BYTES <= limits::LISTS_BYTES);
        }
        let refused = uploads.list(1).await.expect_err("nothing is left");
        assert_eq!((refused.kind.code, refused.retry_after_seconds), ("too-busy", Some(1)));
        assert!(uploads.decoder(Coding::Gzip).await.is_ok_and(|place| place.is_none()));
        held.pop();
        assert!(uploads.list(1).await.is_ok());
    }
}
