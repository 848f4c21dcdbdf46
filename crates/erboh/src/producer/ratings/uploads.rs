//! Uploads: how many lists and streams there may be at once, by the memory that they can take.
//!
//! ```text
//!  a list    3 × what has arrived of it, then its bytes and ARRAY_ITEM_BYTES for each element; until its answer is taken
//!  a stream  buffers of fixed size, however long it is, and the window of zstd
//!  a decoder the window of zstd, until one rating or a list is read
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
    /// In KiB. Apart from the lists, so that bodies of one coding keep out no others.
    decoders: Arc<Semaphore>,
    streams: Seats,
}

/// The right to the memory of one list.
pub(super) type Place = OwnedSemaphorePermit;

impl Default for Uploads {
    fn default() -> Self {
        let pool = |bytes| Arc::new(Semaphore::new(bytes / KIB));
        let (lists, decoders) = (pool(limits::LISTS_BYTES), pool(limits::DECODERS_BYTES));
        Self { lists, decoders, streams: Seats::default() }
    }
}

impl Uploads {
    /// A place for so many bytes of a list.
    pub(super) async fn list(&self, bytes: usize) -> Result<Place, Problem> {
        acquire(&self.lists, LIST_FACTOR * bytes).await
    }

    /// The same place, as large as what is now known of the list: its bytes, and how many elements it has.
    pub(super) async fn list_of(
        &self,
        mut place: Place,
        bytes: usize,
        elements: usize,
    ) -> Result<Place, Problem> {
        let needed = bytes + elements * limits::ARRAY_ITEM_BYTES;
        let held = place.num_permits() * KIB;
        if needed > held {
            place.merge(acquire(&self.lists, needed - held).await?);
        } else {
            drop(place.split((held - needed) / KIB));
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
            bytes => acquire(&self.decoders, bytes).await.map(Some),
        }
    }
}

async fn acquire(pool: &Arc<Semaphore>, bytes: usize) -> Result<Place, Problem> {
    let place = Arc::clone(pool).acquire_many_owned(bytes.div_ceil(KIB) as u32);
    timeout(limits::BUDGET_WAIT, place).await.ok().and_then(Result::ok).ok_or_else(busy)
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
        while let Ok(place) = uploads.list(limits::ARRAY_BYTES_MAX).await {
            held.push(place);
            assert!(held.len() * LIST_FACTOR * limits::ARRAY_BYTES_MAX <= limits::LISTS_BYTES);
        }
        let all = uploads.list(limits::ARRAY_BYTES_MAX).await;
        let refused = all.expect_err("so much is not left");
        assert_eq!((refused.kind.code, refused.retry_after_seconds), ("too-busy", Some(1)));
        held.pop();
        assert!(uploads.list(limits::ARRAY_BYTES_MAX).await.is_ok());
    }

    #[tokio::test]
    async fn decoders_keep_out_nothing_but_decoders() {
        let uploads = Uploads::default();
        let mut held = Vec::new();
        while let Ok(place) = uploads.decoder(Coding::Zstd).await {
            held.push(place.expect("zstd has a window"));
            assert!(held.len() * super::super::body::ZSTD_WINDOW_BYTES <= limits::DECODERS_BYTES);
        }
        assert!(uploads.list(limits::ARRAY_BYTES_MAX).await.is_ok());
        assert!(uploads.decoder(Coding::Gzip).await.is_ok_and(|place| place.is_none()));
    }

    #[tokio::test]
    async fn a_list_holds_what_it_takes_and_no_more() {
        let uploads = Uploads::default();
        let place = uploads.list(limits::ARRAY_BYTES_MAX).await.expect("room");
        let small = uploads.list_of(place, 2 * KIB, 20).await.expect("it is there");
        assert_eq!(small.num_permits(), 7, "2 KiB and 20 × 256 bytes");
        let large = uploads.list_of(small, 2 * KIB, 1024).await.expect("room");
        assert_eq!(large.num_permits(), 2 + 256);
    }
}
