//! Load: ratings at a constant rate, each retried until it is acknowledged.
//!
//! ```text
//!  number ─► producer 0 ─► 201 ─► acknowledged
//!               │ no response, 503, 504: back off
//!               ▼
//!            producer 1, the same id ─► …
//! ```

use std::time::{Duration, Instant};

use super::fault::PRODUCERS;
use super::shared::Shared;
use super::violation::Guarantee;
use crate::ratings::client::{Client, SendOutcome};

/// Sender threads. A producer waits up to 4 s for the broker, which blocks its sender.
pub(super) const WORKERS: u32 = 16;

/// Pause before a retry.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How long ratings are retried after the load has stopped and all faults are healed.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_mins(1);

/// A sender thread: sends a rating every `interval` until the load stops.
pub(super) fn work(
    shared: &Shared,
    producers: &[String; PRODUCERS],
    first: Instant,
    interval: Duration,
) {
    let _worker = shared.worker();
    let client = Client::new();
    let mut due = first;
    while shared.sleep_until(due) && !shared.load_stopped() {
        // After an outage the rate is kept; missed ratings are not made up for.
        due = (due + interval).max(Instant::now());
        let Some(number) = shared.ledger().next() else {
            return shared.stop_load();
        };
        send_until_acknowledged(shared, &client, producers, number);
    }
}

/// Sends one rating until it is acknowledged.
fn send_until_acknowledged(
    shared: &Shared,
    client: &Client,
    producers: &[String; PRODUCERS],
    number: u64,
) {
    let (id, rating) = (shared.ratings.id(number).to_string(), shared.ratings.json(number));
    let first = Instant::now();
    let mut deadline = None;
    for attempt in number.. {
        let url = &producers[attempt as usize % PRODUCERS];
        let response = client.send(url, &id, &rating);
        let mut ledger = shared.ledger();
        match response {
            SendOutcome::Acknowledged(location) => {
                ledger.acknowledge(number, location);
                drop(ledger);
                if let Some(location) = location {
                    shared.recoveries().acknowledged(first, location);
                }
                return;
            }
            SendOutcome::NoResponse => ledger.retries.no_response += 1,
            SendOutcome::Unavailable => ledger.retries.unavailable += 1,
            SendOutcome::Unknown => ledger.retries.unknown += 1,
            SendOutcome::ServerError => ledger.retries.other += 1,
            SendOutcome::Rejected(reason) => {
                drop(ledger);
                return shared.violated(Guarantee::Behaves, format!("rating {id}: {reason}"));
            }
        }
        drop(ledger);
        if shared.load_stopped() {
            let end = *deadline.get_or_insert_with(|| Instant::now() + DRAIN_TIMEOUT);
            if Instant::now() >= end {
                let proof = format!(
                    "rating {id} was not acknowledged within {DRAIN_TIMEOUT:?} after all faults"
                );
                return shared.violated(Guarantee::Recovers, proof);
            }
        }
        if !shared.sleep_until(Instant::now() + RETRY_PAUSE) {
            return;
        }
    }
}
