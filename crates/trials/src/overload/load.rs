//! Load: clients that post ratings, and what they were answered.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use erboh::rating::RatingId;
use erboh::rating::simulate::Researchers;
use erboh::web::grouped;
use serde::Deserialize;

use crate::http::{Answer, Client};
use crate::producer::Producer;
use crate::stats::{ms, percentile};

/// Ratings that one NDJSON request carries: as a program does that hands on what it collects.
const LINES: u32 = 300;
/// How many times more clients there are above capacity. Each waits for its answer before it sends
/// again, so that it takes many to offer more than is answered.
const CROWD: u32 = 8;
/// Share of the offered ratings that comes one by one.
const SINGLES_SHARE: f64 = 0.05;
/// Pause before a client that was cut off connects again.
const RECONNECT: Duration = Duration::from_millis(20);
/// Different surprises that are remembered; the first ones tell the story.
const STRANGE_MAX: usize = 5;

/// The id of a rating in two words instead of 36 characters: millions are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id([u8; 16]);

impl Id {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(Self(*text.parse::<RatingId>().ok()?.as_bytes()))
    }
}

/// Where an acknowledged rating is said to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) id: Id,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// What came of one load.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) places: Vec<Place>,
    /// Requests that were told to come back later, and when.
    pub(super) refused: usize,
    /// Ratings without a place in answers to requests that were taken.
    unplaced: usize,
    /// Milliseconds until each request that was taken was answered, single ones first.
    taken_ms: [Vec<f64>; 2],
    /// Answers that should not be.
    pub(super) strange: Vec<String>,
    took: Duration,
}

/// A load to be run.
pub(super) struct Load {
    address: SocketAddr,
    clients: u32,
    /// Ratings a second that a client of each kind offers at most; none: as many as are answered.
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
    /// So many clients of each kind, each as fast as it is answered.
    pub(super) fn at_capacity(producer: &Producer, clients: u32) -> Self {
        Self { address: producer.address, clients, rates: None }
    }

    /// A crowd that together offers `factor` times the rate.
    pub(super) fn above(producer: &Producer, clients: u32, factor: u32, rate: f64) -> Self {
        let crowd = clients * CROWD;
        let each = rate * f64::from(factor) / f64::from(crowd);
        let rates = [each * SINGLES_SHARE, each * (1.0 - SINGLES_SHARE)];
        Self { address: producer.address, clients: crowd, rates: Some(rates) }
    }

    /// Runs it for so long.
    pub(super) fn run(&self, duration: Duration) -> anyhow::Result<Outcome> {
        let (began, end) = (Instant::now(), Instant::now() + duration);
        let outcomes: Vec<anyhow::Result<Outcome>> = std::thread::scope(|scope| {
            let clients = (0..2 * self.clients).map(|number| {
                let rate = self.rates.map(|rates| rates[number as usize % 2]);
                scope.spawn(move || client(self.address, number, rate, end))
            });
            // All are started before the first one is waited for.
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
    // A crowd does not begin in step.
    let mut due = Instant::now() + every.unwrap_or_default().mul_f64(f64::from(number % 97) / 97.0);
    while Instant::now() < end {
        std::thread::sleep(due.min(end).saturating_duration_since(Instant::now()));
        // Who is late does not hurry to catch up: it would be another load than was asked for.
        due = Instant::now().max(due) + every.unwrap_or_default();
        let sent = Instant::now();
        match client.post(kind, "", body.as_bytes(), 1) {
            Ok(answer) => {
                let took = sent.elapsed();
                outcome.note(&answer, single, took);
                if answer.header("connection") == Some("close") {
                    client = Client::connect(address)?;
                }
            }
            Err(error) => {
                outcome.surprise(format!("no answer: {error:#}"));
                std::thread::sleep(RECONNECT);
                client = Client::connect(address)?;
            }
        }
    }
    Ok(outcome)
}

/// So many lines of JSON without ids.
fn ratings(seed: u64, lines: u32) -> String {
    let mut text = String::new();
    for rating in Researchers::new(seed).take(lines as usize) {
        text.push_str(&String::from_utf8_lossy(&rating.to_json()));
        text.push('\n');
    }
    text
}

impl Outcome {
    fn note(&mut self, answer: &Answer, single: bool, took: Duration) {
        match answer.status {
            200 | 201 => {
                self.taken_ms[usize::from(!single)].push(ms(took));
                for line in answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
                {
                    self.item(line);
                }
            }
            429 | 503 if answer.header("retry-after").is_some() => self.refused += 1,
            // The queue did not answer in time: the client knows that it does not know.
            504 if answer.header("retry-after").is_some() => self.unplaced += 1,
            status => {
                let body = String::from_utf8_lossy(&answer.body);
                self.surprise(format!("status {status}: {body}"));
            }
        }
    }

    fn item(&mut self, line: &[u8]) {
        match serde_json::from_slice::<Item<'_>>(line) {
            Ok(Item { id: Some(id), partition: Some(partition), offset: Some(offset), .. }) => {
                match Id::parse(id) {
                    Some(id) => self.places.push(Place { id, partition, offset }),
                    None => self.surprise(format!("an id that is none: {id}")),
                }
            }
            Ok(Item { status: Some("done"), .. }) => {}
            Ok(Item { status: Some("unavailable" | "unknown"), .. }) => self.unplaced += 1,
            _ => self.surprise(format!("an item: {}", String::from_utf8_lossy(line))),
        }
    }

    fn surprise(&mut self, text: String) {
        if self.strange.len() < STRANGE_MAX && !self.strange.contains(&text) {
            self.strange.push(text);
        }
    }

    fn add(&mut self, other: Self) {
        self.places.extend(other.places);
        self.refused += other.refused;
        self.unplaced += other.unplaced;
        for (all, more) in self.taken_ms.iter_mut().zip(other.taken_ms) {
            all.extend(more);
        }
        other.strange.into_iter().for_each(|text| self.surprise(text));
    }

    /// So many ratings that were acknowledged within a second, and so many requests that were refused.
    #[cfg(test)]
    pub(super) fn of(acknowledged: usize, refused: usize) -> Self {
        let place = Place { id: Id([0; 16]), partition: 0, offset: 0 };
        let places = vec![place; acknowledged];
        Self { places, refused, took: Duration::from_secs(1), ..Self::default() }
    }

    pub(super) fn acknowledged_per_s(&self) -> f64 {
        self.places.len() as f64 / self.took.as_secs_f64()
    }

    /// The p99 of single ratings, and of NDJSON requests.
    pub(super) fn p99_ms(&self) -> [f64; 2] {
        self.taken_ms.each_ref().map(|times| percentile(times, 99))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [singles, lists] = self.taken_ms.each_ref().map(|times| grouped(times.len()));
        let [single_p99, list_p99] = self.p99_ms();
        write!(
            f,
            "{} ratings/s acknowledged; taken {singles} single ratings (p99 {single_p99:.0} ms) and \
             {lists} times {LINES} lines (p99 {list_p99:.0} ms); {} requests refused, {} ratings \
             without a place",
            grouped(self.acknowledged_per_s().round()),
            grouped(self.refused),
            grouped(self.unplaced)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, head: &str, body: &str) -> Answer {
        Answer { status, head: head.to_owned(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn every_kind_of_answer_is_told_apart() {
        let id = "0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f";
        let created = format!(r#"{{"status":"created","id":"{id}","partition":1,"offset":7}}"#);
        let stream = format!(
            "{created}\n{{\"status\":\"unknown\",\"id\":\"{id}\"}}\n{{\"status\":\"done\"}}\n"
        );
        let mut outcome = Outcome::default();
        let took = Duration::from_millis(5);
        outcome.note(&answer(201, "", &created), true, took);
        outcome.note(&answer(200, "", &stream), false, took);
        outcome.note(&answer(429, "retry-after: 1", ""), true, took);
        outcome.note(&answer(504, "retry-after: 5", ""), true, took);
        assert_eq!((outcome.places.len(), outcome.refused, outcome.unplaced), (2, 1, 2));
        assert_eq!(outcome.taken_ms.each_ref().map(Vec::len), [1, 1]);
        assert_eq!(outcome.strange, Vec::<String>::new());
        outcome.note(&answer(429, "", ""), true, took);
        outcome.note(&answer(500, "", "oh"), true, took);
        outcome.item(br#"{"status":"invalid","line":1}"#);
        assert_eq!(outcome.strange.len(), 3, "{:?}", outcome.strange);
    }

    #[test]
    fn the_body_has_so_many_ratings() {
        let body = ratings(1, 3);
        assert_eq!(body.lines().count(), 3);
        assert!(
            body.lines().all(|line| serde_json::from_str::<erboh::rating::Rating>(line).is_ok())
        );
    }
}
