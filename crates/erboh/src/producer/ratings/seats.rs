//! Seats: the streams that there may be at once, and who leaves when all are taken.
//!
//! ```text
//!  new stream ──► enough bytes left? ─yes─► Seat, until the stream ends
//!                    │no
//!                    ▼
//!                 whose client said nothing for longest leaves, if that was long ──► its seat
//!                 nobody: 429
//! ```
//!
//! So whoever only holds uploads open keeps nobody out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::limits;

const KIB: usize = 1024;

/// What [`Known::asking_since_ms`] says while a stream is not waiting for its client.
const BUSY: u64 = u64::MAX;

/// The seats of one process. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Seats {
    kib: Arc<Semaphore>,
    taken: Arc<Mutex<Taken>>,
    opened: Instant,
}

#[derive(Debug, Default)]
struct Taken {
    seats: HashMap<u64, Arc<Known>>,
    last: u64,
}

/// What is known of one stream.
#[derive(Debug)]
struct Known {
    /// Since when it waits for a line that is not blank, in milliseconds from the opening, or [`BUSY`].
    asking_since_ms: AtomicU64,
    leave: CancellationToken,
}

/// The seat of one stream; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    known: Arc<Known>,
    seats: Seats,
    _permit: OwnedSemaphorePermit,
}

impl Default for Seats {
    fn default() -> Self {
        let kib = Arc::new(Semaphore::new(limits::STREAMS_BYTES / KIB));
        Self { kib, taken: Arc::default(), opened: Instant::now() }
    }
}

impl Seats {
    /// A seat for a stream of so many bytes, which is to leave also at `stopping`; none if there is none.
    pub(super) async fn take(&self, bytes: usize, stopping: &CancellationToken) -> Option<Seat> {
        let mut patience = limits::BUDGET_WAIT;
        loop {
            let permit = Arc::clone(&self.kib).acquire_many_owned(bytes.div_ceil(KIB) as u32);
            if let Ok(Ok(permit)) = timeout(patience, permit).await {
                return Some(self.seat(permit, stopping.child_token()));
            }
            if !self.send_one_away() {
                return None;
            }
            // Leaving takes a moment.
            patience = limits::PLACE_LOOK_AGAIN;
        }
    }

    fn seat(&self, permit: OwnedSemaphorePermit, leave: CancellationToken) -> Seat {
        let known = Arc::new(Known { asking_since_ms: AtomicU64::new(BUSY), leave });
        let mut taken = self.lock();
        taken.last += 1;
        let number = taken.last;
        taken.seats.insert(number, Arc::clone(&known));
        drop(taken);
        Seat { number, known, seats: self.clone(), _permit: permit }
    }

    /// Whether there was somebody to be sent away.
    fn send_one_away(&self) -> bool {
        let mut taken = self.lock();
        let asking_since_ms = |known: &Known| known.asking_since_ms.load(Ordering::Relaxed);
        let silent = taken.seats.iter().map(|(number, known)| (asking_since_ms(known), *number));
        let silence_ms = limits::STREAM_SILENCE.as_millis() as u64;
        let Some(before_ms) = self.now_ms().checked_sub(silence_ms) else { return false };
        let Some((_, number)) = silent.filter(|(since, _)| *since <= before_ms).min() else {
            return false;
        };
        // It is not counted on again: the next one who needs a seat sends another away.
        if let Some(known) = taken.seats.remove(&number) {
            known.leave.cancel();
        }
        true
    }

    fn now_ms(&self) -> u64 {
        self.opened.elapsed().as_millis() as u64
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// From now on the stream waits for its client.
    pub(super) fn asks(&self) {
        self.known.asking_since_ms.store(self.seats.now_ms(), Ordering::Relaxed);
    }

    /// The client has said something.
    pub(super) fn is_told(&self) {
        self.known.asking_since_ms.store(BUSY, Ordering::Relaxed);
    }

    /// Ends when somebody else needs the seat, and when the process stops.
    pub(super) fn leave(&self) -> CancellationToken {
        self.known.leave.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().seats.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_silent_for_longest_makes_room() {
        let opened =
            Instant::now().checked_sub(2 * limits::STREAM_SILENCE).expect("an earlier time");
        let (seats, stopping) = (Seats { opened, ..Seats::default() }, CancellationToken::new());
        let half = async || seats.take(limits::STREAMS_BYTES / 2, &stopping).await;
        let first = half().await.expect("a seat");
        let second = half().await.expect("a seat");
        assert!(half().await.is_none(), "both are at work");
        first.asks();
        second.asks();
        assert!(half().await.is_none(), "their clients have just been asked");
        first.known.asking_since_ms.store(1, Ordering::Relaxed);
        second.known.asking_since_ms.store(0, Ordering::Relaxed);
        let leaving = async {
            second.leave().cancelled().await;
            drop(second);
        };
        let (third, ()) = tokio::join!(half(), leaving);
        assert!(third.is_some() && !first.leave().is_cancelled());
        stopping.cancel();
        assert!(first.leave().is_cancelled());
    }
}
