//! Places: the connections that a listener serves at once, and who leaves when all are taken.
//!
//! ```text
//!  new connection ──► a free place? ─yes─► Place, until the connection ends
//!                        │no
//!                        ▼
//!                     who has been idle for longest leaves ──► its place
//!                     nobody is idle: wait
//! ```
//!
//! Idle is who has no request under way, between two requests or still writing the headers of one,
//! and who has taken all of the last answer. So whoever only holds connections keeps nobody out, and whoever waits for an answer gets it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::socket::Untaken;
use crate::limits;

/// What [`Seat::idle_since_ms`] says while a request is under way.
const BUSY: u64 = u64::MAX;

/// The places of one listener. Clones share them.
#[derive(Clone)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<Taken>>,
    opened: Instant,
    open: Gauge,
}

#[derive(Default)]
struct Taken {
    seats: HashMap<u64, Arc<Seat>>,
    last: u64,
}

/// What is known of one connection.
struct Seat {
    /// Milliseconds from the opening of the listener, or [`BUSY`].
    idle_since_ms: AtomicU64,
    untaken: Untaken,
    leave: CancellationToken,
}

impl Seat {
    /// Since when it is idle, in milliseconds; none if it is not.
    fn idle_since_ms(&self) -> Option<u64> {
        let since = self.idle_since_ms.load(Ordering::Relaxed);
        (since != BUSY && !self.untaken.is_left()).then_some(since)
    }
}

impl Places {
    /// So many places, all free.
    pub(super) fn new(count: usize) -> Self {
        let (free, opened) = (Arc::new(Semaphore::new(count)), Instant::now());
        Self { free, taken: Arc::default(), opened, open: Gauge::default() }
    }

    /// The same places, with `open` showing how many are taken.
    pub(super) fn counted_in(self, open: &Gauge) -> Self {
        Self { open: open.clone(), ..self }
    }

    /// A place for a connection. Where there is none the one that is idle for longest is told to
    /// leave; where nobody is idle this waits.
    pub(super) async fn take(&self) -> Place {
        loop {
            let free = Arc::clone(&self.free).acquire_owned();
            if self.free.available_permits() == 0 {
                self.send_one_away();
            }
            // Whoever is busy now may be idle soon.
            let waited = tokio::time::timeout(limits::PLACE_LOOK_AGAIN, free).await;
            if let Ok(Ok(permit)) = waited {
                return self.seat(permit);
            }
        }
    }

    fn seat(&self, permit: OwnedSemaphorePermit) -> Place {
        let seat = Arc::new(Seat {
            idle_since_ms: AtomicU64::new(self.now_ms()),
            untaken: Untaken::default(),
            leave: CancellationToken::new(),
        });
        let mut taken = self.lock();
        taken.last += 1;
        let number = taken.last;
        taken.seats.insert(number, Arc::clone(&seat));
        drop(taken);
        self.open.inc();
        Place { number, seat, places: self.clone(), _permit: permit }
    }

    fn send_one_away(&self) {
        let mut taken = self.lock();
        let seats = taken.seats.iter();
        let idle = seats.filter_map(|(number, seat)| Some((seat.idle_since_ms()?, *number)));
        let Some((_, number)) = idle.min() else { return };
        // It is not counted on again: the next one who needs a place sends another away.
        if let Some(seat) = taken.seats.remove(&number) {
            seat.leave.cancel();
        }
    }

    fn now_ms(&self) -> u64 {
        self.opened.elapsed().as_millis() as u64
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection; free again when it is dropped.
pub(super) struct Place {
    number: u64,
    seat: Arc<Seat>,
    places: Places,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// A request is under way until the result is dropped.
    pub(super) fn request(&self) -> Request {
        self.seat.idle_since_ms.store(BUSY, Ordering::Relaxed);
        Request { seat: Arc::clone(&self.seat), places: self.places.clone() }
    }

    /// Returns when somebody else needs the place.
    pub(super) async fn needed(&self) {
        self.seat.leave.cancelled().await;
    }

    /// Where the socket says whether something waits for its client.
    pub(super) fn untaken(&self) -> Untaken {
        self.seat.untaken.clone()
    }

    /// Whether no request is under way and every answer was taken.
    pub(super) fn is_idle(&self) -> bool {
        self.seat.idle_since_ms().is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().seats.remove(&self.number);
        self.places.open.dec();
    }
}

/// A request under way.
pub(super) struct Request {
    seat: Arc<Seat>,
    places: Places,
}

impl Request {
    /// An answer's body, until whose end the request is under way.
    pub(super) fn answered_by(self, body: Body) -> Answer {
        Answer { body, _request: self }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.seat.idle_since_ms.store(self.places.now_ms(), Ordering::Relaxed);
    }
}

/// The body of an answer.
pub(super) struct Answer {
    body: Body,
    _request: Request,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Ends a test of a broken build instead of hanging it.
    async fn soon<T>(what: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(20), what).await.expect("it happens soon")
    }

    /// Whether a place was needed already.
    fn is_needed(place: &Place) -> bool {
        place.seat.leave.is_cancelled()
    }

    #[tokio::test]
    async fn who_is_idle_for_longest_leaves_first() {
        let places = Places::new(2);
        let (first, second) = (places.take().await, places.take().await);
        // The first one has asked something since, so that the second one is idle for longer.
        tokio::time::sleep(Duration::from_millis(2)).await;
        drop(first.request());
        let mut third = Box::pin(places.take());
        soon(async {
            tokio::select! {
                _ = &mut third => panic!("there was no place"),
                () = second.needed() => {}
            }
        })
        .await;
        assert!(!is_needed(&first));
        drop(second);
        let third = soon(third).await;
        assert!(!is_needed(&first) && third.is_idle());
    }

    #[tokio::test]
    async fn taken_places_are_counted() {
        let open = Gauge::default();
        let places = Places::new(2).counted_in(&open);
        let first = places.take().await;
        let second = places.take().await;
        assert_eq!(open.get(), 2);
        drop(first);
        assert_eq!(open.get(), 1);
        drop(second);
        assert_eq!(open.get(), 0);
    }

    #[tokio::test]
    async fn who_waits_for_an_answer_is_left_alone() {
        let places = Places::new(1);
        let place = places.take().await;
        let answer = place.request().answered_by(Body::from("an answer"));
        let mut next = Box::pin(places.take());
        let look = 2 * limits::PLACE_LOOK_AGAIN;
        assert!(tokio::time::timeout(look, &mut next).await.is_err());
        assert!(!is_needed(&place) && !place.is_idle());
        drop(answer);
        soon(async {
            tokio::select! {
                _ = &mut next => panic!("there was no place"),
                () = place.needed() => {}
            }
        })
        .await;
        drop(place);
        drop(soon(next).await);
        assert_eq!((places.free.available_permits(), places.lock().seats.len()), (1, 0));
    }
}
