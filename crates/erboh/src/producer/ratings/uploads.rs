//! Uploads: how many lists and streams may be read at once, by the memory that they can take.
//!
//! ```text
//!  a list    3 × its bytes: the body, what became of each item, the answer
//!  a stream  buffers of fixed size, however long it is
//!  zstd      and its window
//! ```
//!
//! What is on its way to the queue is counted by the budget of the intake, not here.

use std::sync::Arc;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::media::Coding;
use crate::limits;
use crate::web::Problem;

const MIB: usize = 1024 * 1024;

/// What a list takes, as a multiple of its bytes: itself, an outcome and an item for each rating, their text.
const LIST_FACTOR: usize = 3;

/// The memory that is left for uploads. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Uploads {
    mib: Arc<Semaphore>,
}

/// The right to read one upload.
pub(super) type Place = OwnedSemaphorePermit;

impl Default for Uploads {
    fn default() -> Self {
        Self { mib: Arc::new(Semaphore::new(limits::UPLOADS_BYTES / MIB)) }
    }
}

impl Uploads {
    /// A place for a list of at most `bytes`.
    pub(super) async fn list(&self, bytes: usize) -> Result<Place, Problem> {
        self.acquire(LIST_FACTOR * bytes).await
    }

    /// A place for a stream.
    pub(super) async fn stream(&self, coding: Coding) -> Result<Place, Problem> {
        self.acquire(limits::STREAM_BYTES + window(coding)).await
    }

    /// A place for what decompresses a body, if that needs one.
    pub(super) async fn decoder(&self, coding: Coding) -> Result<Option<Place>, Problem> {
        match window(coding) {
            0 => Ok(None),
            bytes => self.acquire(bytes).await.map(Some),
        }
    }

    async fn acquire(&self, bytes: usize) -> Result<Place, Problem> {
        let mib = bytes.div_ceil(MIB) as u32;
        let place = Arc::clone(&self.mib).acquire_many_owned(mib);
        match timeout(limits::BUDGET_WAIT, place).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-busy",
                "Nothing was sent: too many uploads are being read; try this again.",
            )
            .retry_after(limits::BUSY_RETRY_AFTER)),
        }
    }
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
            assert!(held.len() * super::super::body::ZSTD_WINDOW_BYTES <= limits::UPLOADS_BYTES);
        }
        let refused = uploads.list(1).await.expect_err("nothing is left");
        assert_eq!((refused.code, refused.retry_after_seconds), ("too-busy", Some(1)));
        assert!(uploads.decoder(Coding::Gzip).await.is_ok_and(|place| place.is_none()));
        held.pop();
        assert!(uploads.list(1).await.is_ok());
    }
}
