//! A list: the answer to an array, written piece by piece while its client takes it.
//!
//! ```text
//!  {"items":[ item,item,… ─► 64 KiB ─► …item,item ─► 64 KiB ─► … ],"created":…,"unknown":…}
//!             └ outcomes, which keep their place ─────────────┘
//! ```
//!
//! The text of an answer is many times as long as what it is made from, and a client may take its time. So no more of
//! it exists than is being sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{io, iter, mem, vec};

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::answer::{At, Counts, Outcome};
use super::media;
use super::uploads::Place;
use crate::limits;

/// Room for the item that makes a piece complete.
const ITEM_BYTES: usize = 512;

/// What is still to be told.
struct Rest {
    outcomes: vec::IntoIter<(u64, Outcome)>,
    minimal: bool,
    counts: Counts,
    /// What separates the next item from what is before it.
    separator: &'static [u8],
    ended: bool,
    _place: Place,
}

/// Answers an array; the memory is free again when the client has taken the answer, or too long for it.
pub(super) fn answer(outcomes: Vec<(u64, Outcome)>, minimal: bool, place: Place) -> Response {
    let (outcomes, counts) = (outcomes.into_iter(), Counts::default());
    let mut rest = Rest { outcomes, minimal, counts, separator: b"", ended: false, _place: place };
    let first = rest.write(b"{\"items\":[");
    // Most answers are one piece, of which hyper then knows the length.
    let body = if rest.ended { Body::from(first) } else { pieces(first, rest, limits::ARRAY_TAKE) };
    let kind = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    media::applied(minimal, (kind, body).into_response())
}

/// A body that ends with an error where it is not taken `within` this time.
fn pieces(first: Bytes, rest: Rest, within: Duration) -> Body {
    let rest = Arc::new(Mutex::new(Some(rest)));
    let taken = CancellationToken::new();
    let late = {
        let (rest, taken) = (Arc::clone(&rest), taken.clone());
        async move {
            // A body is not asked for more while its client reads nothing, so it cannot look at the clock itself.
            if taken.run_until_cancelled(sleep(within)).await.is_some() {
                lock(&rest).take();
            }
        }
    };
    tokio::spawn(late);
    let taken = taken.drop_guard();
    let mut ended = false;
    let more = iter::from_fn(move || {
        let _ends_with_the_body = &taken;
        if ended {
            return None;
        }
        let mut rest = lock(&rest);
        let Some(open) = &mut *rest else {
            return Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the answer is not read")));
        };
        let piece = open.write(b"");
        ended = open.ended;
        // What is written to its end needs its memory no more, and cannot break off.
        rest.take_if(|rest| rest.ended);
        Some(Ok(piece))
    });
    Body::from_stream(stream::iter(iter::once(Ok(first)).chain(more)))
}

fn lock(rest: &Mutex<Option<Rest>>) -> std::sync::MutexGuard<'_, Option<Rest>> {
    rest.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rest {
    /// The next piece, after `start`.
    fn write(&mut self, start: &[u8]) -> Bytes {
        let mut text = Vec::with_capacity(limits::ANSWER_PIECE_BYTES + ITEM_BYTES);
        text.extend_from_slice(start);
        while text.len() < limits::ANSWER_PIECE_BYTES {
            let Some((index, outcome)) = self.outcomes.next() else {
                self.end(&mut text);
                break;
            };
            let item = outcome.item(At::Index(index));
            self.counts.add(&item);
            if !(self.minimal && outcome.is_created()) {
                text.extend_from_slice(mem::replace(&mut self.separator, b","));
                serde_json::to_writer(&mut text, &item)
                    .expect("answers always serialize into memory");
            }
        }
        text.into()
    }

    fn end(&mut self, text: &mut Vec<u8>) {
        let counts = serde_json::to_vec(&self.counts).expect("numbers always serialize");
        text.extend_from_slice(b"],");
        // Without its brace: these are fields of the whole.
        text.extend_from_slice(&counts[1..]);
        self.ended = true;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};
    use tokio::sync::Semaphore;

    use super::*;

    /// What is left of an answer of one item, and its memory.
    async fn rest() -> (Rest, Arc<Semaphore>) {
        let memory = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&memory).acquire_owned().await.expect("all of it");
        let outcomes = vec![(0, Outcome::Reused)].into_iter();
        let (counts, separator) = (Counts::default(), &b""[..]);
        let rest =
            Rest { outcomes, minimal: false, counts, separator, ended: false, _place: place };
        (rest, memory)
    }

    #[tokio::test]
    async fn an_answer_that_is_not_taken_in_time_breaks_off() {
        let (rest, memory) = rest().await;
        let body = pieces(Bytes::from_static(b"["), rest, Duration::from_millis(1));
        drop(memory.acquire().await.expect("it comes back although nobody reads"));
        let pieces: Vec<_> = body.into_data_stream().take(2).collect().await;
        assert!(pieces[0].is_ok() && pieces[1].is_err(), "{pieces:?}");
    }

    #[tokio::test]
    async fn an_answer_that_is_written_to_its_end_does_not_break_off() {
        let (rest, memory) = rest().await;
        let within = Duration::from_millis(1);
        let mut body = pieces(Bytes::from_static(b"["), rest, within).into_data_stream();
        // The clock has not been looked at yet.
        for _ in 0..2 {
            let piece = body.next().now_or_never().flatten().expect("it is there");
            piece.expect("a piece");
        }
        assert_eq!(memory.available_permits(), 1, "nothing is kept for the end");
        sleep(2 * within).await;
        assert!(body.next().await.is_none());
    }
}
