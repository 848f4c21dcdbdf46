//! Load: clients that post ratings, and the results.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use erboh::rating::RatingId;
use erboh::rating::simulate::Researchers;
use erboh::web::grouped;
use serde::Deserialize;

use crate::http::{Client, Response};
use crate::producer::Producer;
use crate::stats::{ms, percentile};

/// Ratings per NDJSON request, as in a program that forwards collected ratings.
const LINES: u32 = 300;
/// Factor of clients above capacity. A client waits for each response, so many are needed to exceed
/// the capacity.
const CLIENT_FACTOR: u32 = 8;
/// Share of the offered ratings sent one by one.
const SINGLES_SHARE: f64 = 0.05;
/// Pause before a disconnected client reconnects.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);
/// Distinct unexpected responses that are kept.
const UNEXPECTED_MAX: usize = 5;

/// The id of a rating in binary form: millions are kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id([u8; 16]);

impl Id {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(Self(*text.parse::<RatingId>().ok()?.as_bytes()))
    }
}

/// An acknowledged rating.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acknowledged {
    pub(super) id: Id,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// The result of a load.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) acknowledged: Vec<Acknowledged>,
    /// Requests rejected with `Retry-After`.
    pub(super) rejected: usize,
    /// Ratings of accepted requests that were not acknowledged.
    unacknowledged: usize,
    /// Latencies of accepted requests in milliseconds: single ratings, and NDJSON.
    accepted_ms: [Vec<f64>; 2],
    /// Responses that violate the API.
    pub(super) unexpected: Vec<String>,
    took: Duration,
}

/// A configured load.
pub(super) struct Load {
    address: SocketAddr,
    clients: u32,
    /// Maximum ratings per second of a client of each kind; `None` is closed-loop.
    rates: Option<[f64; 2]>,
}

#[derive(Deserialize)]
struct Item<'a> {
    status: Option<&'a str>,
    id: Option<&'a str>,
    partition: Option<i32>,
    offset: Option<i64>,
}

impl Load {
    /// `clients` closed-loop clients of each kind.
    pub(super) fn at_capacity(producer: &Producer, clients: u32) -> Self {
        Self { address: producer.address, clients, rates: None }
    }

    /// Many clients that together offer `factor` times the rate.
    pub(super) fn above(producer: &Producer, clients: u32, factor: u32, rate: f64) -> Self {
        let clients = clients * CLIENT_FACTOR;
        let each = rate * f64::from(factor) / f64::from(clients);
        let rates = [each * SINGLES_SHARE, each * (1.0 - SINGLES_SHARE)];
        Self { address: producer.address, clients, rates: Some(rates) }
    }

    /// Runs the load.
    pub(super) fn run(&self, duration: Duration) -> anyhow::Result<Outcome> {
        let (began, end) = (Instant::now(), Instant::now() + duration);
        let outcomes: Vec<anyhow::Result<Outcome>> = std::thread::scope(|scope| {
            let clients = (0..2 * self.clients).map(|number| {
                let rate = self.rates.map(|rates| rates[number as usize % 2]);
                scope.spawn(move || client(self.address, number, rate, end))
            });
            // Start all clients before joining the first.
            let clients: Vec<_> = clients.collect();
            let joined = clients.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined
                .map(|ended| ended.unwrap_or_else(|_| Err(anyhow!("a client panicked"))))
                .collect()
        });
        let mut sum = Outcome { took: began.elapsed(), ..Outcome::default() };
        for outcome in outcomes {
            sum.add(outcome?);
        }
        Ok(sum)
    }
}

/// One client; even numbers send single ratings.
fn client(
    address: SocketAddr,
    number: u32,
    rate: Option<f64>,
    end: Instant,
) -> anyhow::Result<Outcome> {
    let single = number.is_multiple_of(2);
    let lines = if single { 1 } else { LINES };
    let kind = if single { "application/json" } else { "application/x-ndjson" };
    let body = ratings(u64::from(number), lines);
    let every = rate.map(|rate| Duration::from_secs_f64(f64::from(lines) / rate));
    let mut outcome = Outcome::default();
    let mut client = Client::connect(address)?;
    // Spread the first requests.
    let mut due = Instant::now() + every.unwrap_or_default().mul_f64(f64::from(number % 97) / 97.0);
    while Instant::now() < end {
        std::thread::sleep(due.min(end).saturating_duration_since(Instant::now()));
        // A late client does not catch up, which would change the offered load.
        due = Instant::now().max(due) + every.unwrap_or_default();
        let sent = Instant::now();
        match client.post(kind, "", body.as_bytes(), 1) {
            Ok(response) => {
                let took = sent.elapsed();
                outcome.record(&response, single, took);
                if response.header("connection") == Some("close") {
                    client = Client::connect(address)?;
                }
            }
            Err(error) => {
                outcome.add_unexpected(format!("no response: {error:#}"));
                std::thread::sleep(RECONNECT_PAUSE);
                client = Client::connect(address)?;
            }
        }
    }
    Ok(outcome)
}

/// NDJSON with `lines` ratings without ids.
fn ratings(seed: u64, lines: u32) -> String {
    let mut text = String::new();
    for rating in Researchers::new(seed).take(lines as usize) {
        text.push_str(&String::from_utf8_lossy(&rating.to_json()));
        text.push('\n');
    }
    text
}

impl Outcome {
    fn record(&mut self, response: &Response, single: bool, took: Duration) {
        match response.status {
            200 | 201 => {
                self.accepted_ms[usize::from(!single)].push(ms(took));
                let lines = response.body.split(|byte| *byte == b'\n');
                for line in lines.filter(|line| !line.is_empty()) {
                    self.item(line);
                }
            }
            429 | 503 if response.header("retry-after").is_some() => self.rejected += 1,
            // A produce timeout: the outcome is unknown.
            504 if response.header("retry-after").is_some() => self.unacknowledged += 1,
            status => {
                let body = String::from_utf8_lossy(&response.body);
                self.add_unexpected(format!("status {status}: {body}"));
            }
        }
    }

    fn item(&mut self, line: &[u8]) {
        match serde_json::from_slice::<Item<'_>>(line) {
            Ok(Item { id: Some(id), partition: Some(partition), offset: Some(offset), .. }) => {
                match Id::parse(id) {
                    Some(id) => self.acknowledged.push(Acknowledged { id, partition, offset }),
                    None => self.add_unexpected(format!("an invalid id: {id}")),
                }
            }
            Ok(Item { status: Some("done"), .. }) => {}
            Ok(Item { status: Some("unavailable" | "unknown"), .. }) => self.unacknowledged += 1,
            _ => self.add_unexpected(format!("an item: {}", String::from_utf8_lossy(line))),
        }
    }

    fn add_unexpected(&mut self, text: String) {
        if self.unexpected.len() < UNEXPECTED_MAX && !self.unexpected.contains(&text) {
            self.unexpected.push(text);
        }
    }

    fn add(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.rejected += other.rejected;
        self.unacknowledged += other.unacknowledged;
        for (all, more) in self.accepted_ms.iter_mut().zip(other.accepted_ms) {
            all.extend(more);
        }
        other.unexpected.into_iter().for_each(|text| self.add_unexpected(text));
    }

    /// A result with ratings acknowledged within one second, and rejected requests.
    #[cfg(test)]
    pub(super) fn of(acknowledged: usize, rejected: usize) -> Self {
        let one = Acknowledged { id: Id([0; 16]), partition: 0, offset: 0 };
        let acknowledged = vec![one; acknowledged];
        Self { acknowledged, rejected, took: Duration::from_secs(1), ..Self::default() }
    }

    pub(super) fn acknowledged_per_s(&self) -> f64 {
        self.acknowledged.len() as f64 / self.took.as_secs_f64()
    }

    /// The p99 latencies of single ratings and of NDJSON requests.
    pub(super) fn p99_ms(&self) -> [f64; 2] {
        self.accepted_ms.each_ref().map(|times| percentile(times, 99))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [singles, lists] = self.accepted_ms.each_ref().map(|times| grouped(times.len()));
        let [single_p99, list_p99] = self.p99_ms();
        write!(
            f,
            "{} ratings/s acknowledged; accepted {singles} single ratings (p99 {single_p99:.0} ms) and \
             {lists} requests of {LINES} lines (p99 {list_p99:.0} ms); {} requests rejected, {} ratings \
             not acknowledged",
            grouped(self.acknowledged_per_s().round()),
            grouped(self.rejected),
            grouped(self.unacknowledged)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, head: &str, body: &str) -> Response {
        Response { status, head: head.to_owned(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn responses_are_classified() {
        let id = "0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f";
        let created = format!(r#"{{"status":"created","id":"{id}","partition":1,"offset":7}}"#);
        let stream = format!(
            "{created}\n{{\"status\":\"unknown\",\"id\":\"{id}\"}}\n{{\"status\":\"done\"}}\n"
        );
        let mut outcome = Outcome::default();
        let took = Duration::from_millis(5);
        outcome.record(&response(201, "", &created), true, took);
        outcome.record(&response(200, "", &stream), false, took);
        outcome.record(&response(429, "retry-after: 1", ""), true, took);
        outcome.record(&response(504, "retry-after: 5", ""), true, took);
        let counts = (outcome.acknowledged.len(), outcome.rejected, outcome.unacknowledged);
        assert_eq!(counts, (2, 1, 2));
        assert_eq!(outcome.accepted_ms.each_ref().map(Vec::len), [1, 1]);
        assert_eq!(outcome.unexpected, Vec::<String>::new());
        outcome.record(&response(429, "", ""), true, took);
        outcome.record(&response(500, "", "oh"), true, took);
        outcome.item(br#"{"status":"invalid","line":1}"#);
        assert_eq!(outcome.unexpected.len(), 3, "{:?}", outcome.unexpected);
    }

    #[test]
    fn body_has_the_requested_number_of_ratings() {
        let body = ratings(1, 3);
        assert_eq!(body.lines().count(), 3);
        let is_rating = |line: &str| erboh::rating::Rating::from_request(line.as_bytes()).is_ok();
        assert!(body.lines().all(is_rating));
    }
}
