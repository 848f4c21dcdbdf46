//! Seats: the streams that there may be at once, and who leaves when all are taken.
//!
//! ```text
//!  new stream ──► enough bytes left? ─yes─► Seat, until the stream ends
//!                    │no
//!                    ▼
//!                 those who have been idle for longest leave, if that was long and is enough ──► their bytes
//!                 not enough: 429, and nobody leaves
//! ```
//!
//! Idle is whose client gives no rating, and whose client does not read its answer. So whoever only holds uploads open
//! keeps nobody out.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::limits;

const KIB: usize = 1024;

/// What [`Known`] says of a time that is not running.
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
    /// Those that are to leave too, until they have left.
    seats: HashMap<u64, Arc<Known>>,
    last: u64,
}

/// What is known of one stream. Times are in milliseconds from the opening, or [`BUSY`].
#[derive(Debug)]
struct Known {
    bytes: usize,
    /// Since when it waits for a rating.
    asking_since_ms: AtomicU64,
    /// Since when it waits for its answer to be read.
    unread_since_ms: AtomicU64,
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
    /// A seat for a stream of so many bytes; none if there is none.
    pub(super) async fn take(&self, bytes: usize) -> Option<Seat> {
        let permit = Arc::clone(&self.kib).acquire_many_owned(bytes.div_ceil(KIB) as u32);
        // It keeps its place in the line while others leave.
        let mut permit = pin!(permit);
        let mut patience = limits::BUDGET_WAIT;
        loop {
            if let Ok(Ok(permit)) = timeout(patience, permit.as_mut()).await {
                return Some(self.seat(bytes, permit));
            }
            if !self.make_room(bytes) {
                return None;
            }
            // Leaving takes a moment.
            patience = limits::PLACE_LOOK_AGAIN;
        }
    }

    fn seat(&self, bytes: usize, permit: OwnedSemaphorePermit) -> Seat {
        let busy = || AtomicU64::new(BUSY);
        let (asking_since_ms, unread_since_ms, leave) = (busy(), busy(), CancellationToken::new());
        let known = Arc::new(Known { bytes, asking_since_ms, unread_since_ms, leave });
        let mut taken = self.lock();
        taken.last += 1;
        let number = taken.last;
        taken.seats.insert(number, Arc::clone(&known));
        drop(taken);
        Seat { number, known, seats: self.clone(), _permit: permit }
    }

    /// Sends away as many idle streams as are needed for so many bytes, besides those that are leaving; nobody, and
    /// false, where that is not enough.
    fn make_room(&self, needed: usize) -> bool {
        let taken = self.lock();
        let silence_ms = limits::STREAM_SILENCE.as_millis() as u64;
        let idle_before_ms = self.now_ms().checked_sub(silence_ms);
        let mut room = limits::STREAMS_BYTES;
        let mut idle = Vec::new();
        for known in taken.seats.values().filter(|known| !known.leave.is_cancelled()) {
            room -= known.bytes;
            let since_ms = known.idle_since_ms();
            if idle_before_ms.is_some_and(|before_ms| since_ms <= before_ms) {
                idle.push((since_ms, known));
            }
        }
        let most = room + idle.iter().map(|(_, known)| known.bytes).sum::<usize>();
        if most < needed {
            return false;
        }
        idle.sort_unstable_by_key(|(since_ms, _)| *since_ms);
        let mut idle = idle.into_iter();
        while room < needed
            && let Some((_, known)) = idle.next()
        {
            room += known.bytes;
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

impl Known {
    fn idle_since_ms(&self) -> u64 {
        let since_ms = |time: &AtomicU64| time.load(Ordering::Relaxed);
        since_ms(&self.asking_since_ms).min(since_ms(&self.unread_since_ms))
    }
}

impl Seat {
    /// The stream waits for a rating, from now on if it did not wait already.
    pub(super) fn asks(&self) {
        let (now_ms, time) = (self.seats.now_ms(), &self.known.asking_since_ms);
        // Another value was there: that is the time at which it began to wait.
        let _ = time.compare_exchange(BUSY, now_ms, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The client has given a rating.
    pub(super) fn is_told(&self) {
        self.known.asking_since_ms.store(BUSY, Ordering::Relaxed);
    }

    /// From now on the stream waits for its answer to be read.
    pub(super) fn is_unread(&self) {
        self.known.unread_since_ms.store(self.seats.now_ms(), Ordering::Relaxed);
    }

    /// The client reads its answer.
    pub(super) fn is_read(&self) {
        self.known.unread_since_ms.store(BUSY, Ordering::Relaxed);
    }

    /// Ends when somebody else needs the seat.
    pub(super) fn leave(&self) -> &CancellationToken {
        &self.known.leave
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

    const HALF: usize = limits::STREAMS_BYTES / 2;

    /// Seats that have been there for long enough to be idle since their opening.
    fn seats() -> Seats {
        let opened = Instant::now().checked_sub(2 * limits::STREAM_SILENCE);
        Seats { opened: opened.expect("an earlier time"), ..Seats::default() }
    }

    fn idle_since(time: &AtomicU64, since_ms: u64) {
        time.store(since_ms, Ordering::Relaxed);
    }

    #[tokio::test]
    async fn who_is_idle_for_longest_makes_room() {
        let seats = seats();
        let first = seats.take(HALF).await.expect("a seat");
        let second = seats.take(HALF).await.expect("a seat");
        assert!(seats.take(HALF).await.is_none(), "both are at work");
        first.asks();
        second.is_unread();
        assert!(seats.take(HALF).await.is_none(), "they have only begun to wait");
        idle_since(&first.known.asking_since_ms, 1);
        idle_since(&second.known.unread_since_ms, 0);
        let leaving = async {
            second.leave().cancelled().await;
            // Whoever waits meanwhile sends nobody else away.
            tokio::time::sleep(2 * limits::PLACE_LOOK_AGAIN).await;
            drop(second);
        };
        let (third, ()) = tokio::join!(seats.take(HALF), leaving);
        assert!(third.is_some() && !first.leave().is_cancelled());
    }

    #[tokio::test]
    async fn nobody_leaves_for_nothing() {
        let seats = seats();
        let small = seats.take(KIB).await.expect("a seat");
        let rest = seats.take(limits::STREAMS_BYTES - KIB).await.expect("a seat");
        idle_since(&small.known.asking_since_ms, 0);
        assert!(seats.take(2 * KIB).await.is_none());
        assert!(!small.leave().is_cancelled(), "its place would not be enough");
        drop(rest);
    }

    #[tokio::test]
    async fn only_a_rating_ends_the_wait_for_one() {
        let seats = seats();
        let first = seats.take(limits::STREAMS_BYTES).await.expect("a seat");
        idle_since(&first.known.asking_since_ms, 0);
        first.asks();
        assert_eq!(first.known.idle_since_ms(), 0);
        first.is_told();
        first.is_unread();
        first.is_read();
        assert!(seats.take(1).await.is_none(), "it is at work");
    }
}
