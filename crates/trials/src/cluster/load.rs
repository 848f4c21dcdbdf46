//! Load: ratings at a constant rate, each retried with the same id until it is acknowledged.

use std::time::{Duration, Instant};

use super::shared::Shared;
use crate::ratings::client::{Client, SendOutcome};

/// Sender threads. A producer waits up to 4 s for the broker, which blocks its sender.
pub(super) const WORKERS: u32 = 16;
/// Pause before a retry.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long ratings are retried after the load has stopped and all faults are healed.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_mins(1);

/// A sender thread: sends a rating every `interval` until the load stops.
pub(super) fn work(shared: &Shared, url: &str, first: Instant, interval: Duration) {
    let _worker = shared.worker();
    let client = Client::new();
    let mut due = first;
    while !shared.load_stopped() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // After an outage the rate is kept; missed ratings are not made up for.
        due = (due + interval).max(Instant::now());
        let Some(number) = shared.ledger().next() else { return shared.stop_load() };
        send_until_acknowledged(shared, &client, url, number);
    }
}

/// Sends one rating until it is acknowledged; otherwise it stays open in the ledger.
fn send_until_acknowledged(shared: &Shared, client: &Client, url: &str, number: u64) {
    let (id, rating) = (shared.ratings.id(number).to_string(), shared.ratings.json(number));
    let mut deadline = None;
    loop {
        match client.send(url, &id, &rating) {
            SendOutcome::Acknowledged(location) => return shared.acknowledged(number, location),
            SendOutcome::NoResponse => shared.ledger().retries.no_response += 1,
            SendOutcome::Unavailable => shared.ledger().retries.unavailable += 1,
            SendOutcome::Unknown => shared.ledger().retries.unknown += 1,
            SendOutcome::ServerError => shared.ledger().retries.other += 1,
            SendOutcome::Rejected(reason) => {
                return shared.rejected(format!("rating {id}: {reason}"));
            }
        }
        if shared.load_stopped() {
            let end = *deadline.get_or_insert_with(|| Instant::now() + DRAIN_TIMEOUT);
            if Instant::now() >= end {
                let proof = format!("rating {id} was not acknowledged within {DRAIN_TIMEOUT:?}");
                return shared.rejected(proof);
            }
        }
        std::thread::sleep(RETRY_PAUSE);
    }
}
