//! Load: ratings at a steady rate, each sent until somebody says what became of it.
//!
//! ```text
//!  number ─► producer 0 ─► 201 ─► acknowledged
//!               │ silence, 503, 504: wait a moment
//!               ▼
//!            producer 1, the same id ─► …
//! ```

use std::time::{Duration, Instant};

use super::fault::PRODUCERS;
use super::shared::Shared;
use super::violation::Promise;
use crate::ratings::client::{Answer, Client};

/// Threads that send. A producer that waits for its queue holds each of them for 4 s.
pub(super) const WORKERS: u32 = 16;

/// Before a request is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How long a rating is tried after the load has ended, and no fault is left.
pub(super) const LAST_TRIES: Duration = Duration::from_mins(1);

/// One of the threads that send: a rating every `interval`, until the load ends.
pub(super) fn work(
    shared: &Shared,
    producers: &[String; PRODUCERS],
    first: Instant,
    interval: Duration,
) {
    let _working = shared.working();
    let client = Client::new();
    let mut due = first;
    while shared.sleep_until(due) && !shared.load_ends() {
        // After an outage the rate is kept, not made up for.
        due = (due + interval).max(Instant::now());
        let Some(number) = shared.ledger().next() else {
            return shared.end_load();
        };
        bring(shared, &client, producers, number);
    }
}

/// Sends one rating until it is acknowledged.
fn bring(shared: &Shared, client: &Client, producers: &[String; PRODUCERS], number: u64) {
    let (id, rating) = (shared.ratings.id(number).to_string(), shared.ratings.json(number));
    let first = Instant::now();
    let mut last_try = None;
    for attempt in number.. {
        let url = &producers[attempt as usize % PRODUCERS];
        let answer = client.send(url, &id, &rating);
        let mut ledger = shared.ledger();
        match answer {
            Answer::Acknowledged(place) => {
                ledger.acknowledge(number, place);
                drop(ledger);
                if let Some(place) = place {
                    shared.recoveries().acknowledged(first, place);
                }
                return;
            }
            Answer::Silence => ledger.retries.silent += 1,
            Answer::Unavailable => ledger.retries.unavailable += 1,
            Answer::Unknown => ledger.retries.unknown += 1,
            Answer::Failed => ledger.retries.other += 1,
            Answer::Refused(reason) => {
                drop(ledger);
                return shared.violated(Promise::Behaves, format!("rating {id}: {reason}"));
            }
        }
        drop(ledger);
        if shared.load_ends() {
            let end = *last_try.get_or_insert_with(|| Instant::now() + LAST_TRIES);
            if Instant::now() >= end {
                let proof =
                    format!("rating {id} was not taken within {LAST_TRIES:?} after all faults");
                return shared.violated(Promise::Recovers, proof);
            }
        }
        if !shared.sleep_until(Instant::now() + RETRY_PAUSE) {
            return;
        }
    }
}
