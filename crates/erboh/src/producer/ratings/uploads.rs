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
    pub(super) async fn list(&self, bytes: usize, coding: Coding) -> Result<Place, Problem> {
        self.acquire(LIST_FACTOR * bytes, coding).await
    }

    /// A place for a stream.
    pub(super) async fn stream(&self, coding: Coding) -> Result<Place, Problem> {
        self.acquire(limits::STREAM_BYTES, coding).await
    }

    async fn acquire(&self, bytes: usize, coding: Coding) -> Result<Place, Problem> {
        let window = if coding == Coding::Zstd { super::body::ZSTD_WINDOW_BYTES } else { 0 };
        let mib = (bytes + window).div_ceil(MIB) as u32;
        let place = Arc::clone(&self.mib).acquire_many_owned(mib);
        match timeout(limits::BUDGET_WAIT, place).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-busy",
                "Nothing was sent: too many lists and streams are being read; try this again.",
            )
            .retry_after(limits::BUSY_RETRY_AFTER)),
        }
    }
}
