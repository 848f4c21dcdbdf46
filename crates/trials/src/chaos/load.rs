//! Load: ratings at a steady rate, each sent until somebody says what became of it.
//!
//! ```text
//!  number ─► producer 0 ─► 201 ─► acknowledged
//!               │ silence, 503, 504: wait a moment
//!               ▼
//!            producer 1, the same id ─► …
//! ```

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::fault::PRODUCERS;
use super::ledger::Place;
use super::shared::Shared;
use super::violation::Promise;

/// Threads that send. A producer that waits for its queue holds each of them for 4 s.
pub(super) const WORKERS: u32 = 16;

/// How long a client waits for an answer: longer than a producer waits for the queue.
const ANSWER_WAIT: Duration = Duration::from_secs(6);

/// Before a request is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How long a rating is tried after the load has ended, and no fault is left.
pub(super) const LAST_TRIES: Duration = Duration::from_mins(1);

/// What came of one request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The rating is on the queue.
    Acknowledged(Option<Place>),
    /// No answer, or a part of one.
    Silence,
    /// 503
    Unavailable,
    /// 504
    Unknown,
    /// Another error of the server.
    Failed,
    /// The request is said to be at fault, which it is not.
    Refused(String),
}

#[derive(Deserialize)]
struct Created {
    id: String,
    partition: Option<i32>,
    offset: Option<i64>,
}

/// A client that sends ratings.
pub(super) struct Client {
    agent: ureq::Agent,
}

impl Client {
    pub(super) fn new() -> Self {
        let config = ureq::Agent::config_builder();
        let config = config.timeout_global(Some(ANSWER_WAIT)).http_status_as_error(false);
        Self { agent: config.build().into() }
    }

    /// Sends a rating once.
    pub(super) fn send(&self, url: &str, id: &str, rating: &str) -> Answer {
        let request = self.agent.post(url).header("content-type", "application/json");
        let Ok(mut answer) = request.send(rating) else { return Answer::Silence };
        let status = answer.status().as_u16();
        let Ok(body) = answer.body_mut().read_to_string() else { return Answer::Silence };
        understand(status, &body, id)
    }
}

/// What an answer means.
fn understand(status: u16, body: &str, id: &str) -> Answer {
    match status {
        201 => match serde_json::from_str::<Created>(body) {
            Ok(created) if created.id == id => {
                let place = created.partition.zip(created.offset);
                let place = place.map(|(partition, offset)| Place { partition, offset });
                Answer::Acknowledged(place)
            }
            _ => Answer::Refused(format!("201 with {body:?}")),
        },
        503 => Answer::Unavailable,
        504 => Answer::Unknown,
        500..=599 => Answer::Failed,
        // The client's request took too long to arrive: it may have been frozen on the way.
        408 => Answer::Silence,
        _ => Answer::Refused(format!("{status} with {body:?}")),
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_means_what_the_api_promises() {
        let created = r#"{"id":"a","partition":3,"offset":9}"#;
        let place = Place { partition: 3, offset: 9 };
        assert_eq!(understand(201, created, "a"), Answer::Acknowledged(Some(place)));
        let naive = r#"{"id":"a","partition":null,"offset":null}"#;
        assert_eq!(understand(201, naive, "a"), Answer::Acknowledged(None));
        assert!(matches!(understand(201, created, "b"), Answer::Refused(_)));
        assert!(matches!(understand(201, "", "a"), Answer::Refused(_)));
        assert!(matches!(understand(422, "{}", "a"), Answer::Refused(_)));
        assert_eq!(understand(503, "", "a"), Answer::Unavailable);
        assert_eq!(understand(504, "", "a"), Answer::Unknown);
        assert_eq!(understand(502, "", "a"), Answer::Failed);
        assert_eq!(understand(408, "", "a"), Answer::Silence);
    }
}
