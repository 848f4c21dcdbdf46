//! Load: ratings at a steady rate, each sent with the same id until it is acknowledged.

use std::time::{Duration, Instant};

use super::books::Books;
use crate::ratings::client::{Answer, Client};

/// Threads that send. A producer that waits for its queue holds each of them for 4 s.
pub(super) const WORKERS: u32 = 16;
/// Before a request is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long a rating is tried after the load has ended, and nothing is broken any more.
pub(super) const LAST_TRIES: Duration = Duration::from_mins(1);

/// One of the threads that send: a rating every `interval`, until the load ends.
pub(super) fn work(books: &Books, url: &str, first: Instant, interval: Duration) {
    let _working = books.working();
    let client = Client::new();
    let mut due = first;
    while !books.ends() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // After an outage the rate is kept, not made up for.
        due = (due + interval).max(Instant::now());
        let Some(number) = books.ledger().next() else { return books.end() };
        bring(books, &client, url, number);
    }
}

/// Sends one rating until it is acknowledged. What nobody took in the end stays open in the ledger.
fn bring(books: &Books, client: &Client, url: &str, number: u64) {
    let (id, rating) = (books.ratings.id(number).to_string(), books.ratings.json(number));
    let mut last_try = None;
    loop {
        match client.send(url, &id, &rating) {
            Answer::Acknowledged(place) => return books.acknowledged(number, place),
            Answer::Silence => books.ledger().retries.silent += 1,
            Answer::Unavailable => books.ledger().retries.unavailable += 1,
            Answer::Unknown => books.ledger().retries.unknown += 1,
            Answer::Failed => books.ledger().retries.other += 1,
            Answer::Refused(reason) => return books.refused(format!("rating {id}: {reason}")),
        }
        if books.ends() {
            let end = *last_try.get_or_insert_with(|| Instant::now() + LAST_TRIES);
            if Instant::now() >= end {
                return books.refused(format!("rating {id} was not taken in {LAST_TRIES:?}"));
            }
        }
        std::thread::sleep(RETRY_PAUSE);
    }
}
