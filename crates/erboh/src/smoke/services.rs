//! Services: one rating through a producer's API, until a board has counted it.
//!
//! ```text
//!  POST producer/api/v1/ratings ──► partition, offset
//!       ▼    busy, out of reach or unknown: again, with the same id
//!  GET board/api/v1/totals?after=partition:offset ──► counted? ──► pass │ fail
//!            not yet: again
//! ```

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use super::told;
use crate::producer::access::Token;

/// The voices of the rating that is sent. The board shows them like any others, so they say what they are.
const VOICES: [&str; 2] = ["Smoke", "Fire"];

/// Time between two tries, as the services ask for.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a board may wait for the rating before it answers that it has not counted it yet.
const BOARD_WAIT: Duration = Duration::from_secs(2);

/// Bytes that one answer may have: a board full of voices.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A producer and a board, as this test reaches them.
#[derive(Debug, Clone)]
pub struct Services {
    /// Address of the producer.
    pub producer: String,
    /// Address of the board.
    pub board: String,
    /// With what one may write, where that is asked for.
    pub token: Option<Token>,
}

impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.producer, self.board)
    }
}

/// Where the rating stands on the queue.
struct Place {
    partition: i64,
    offset: i64,
}

/// An answer as far as it matters here.
struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    /// What a problem document says, else the status.
    fn problem(&self) -> String {
        let part = |name: &str| self.body[name].as_str().unwrap_or_default();
        format!("status {}: {} {}", self.status, part("title"), part("detail"))
    }
}

impl Services {
    /// Runs the steps, prints each, and says whether all went well. Blocks its thread.
    pub(super) fn steps(&self, deadline: Instant) -> bool {
        let started = Instant::now();
        let rated = told("rate", started, self.rate(deadline));
        let Some(place) = rated else { return false };
        told("count", Instant::now(), self.count(&place, deadline)).is_some()
    }

    /// Sends the rating until it is acknowledged.
    fn rate(&self, deadline: Instant) -> anyhow::Result<(String, Place)> {
        let [voice1, voice2] = VOICES;
        let rating = json!({
            "id": uuid::Uuid::now_v7(), "battle": format!("{voice1} vs {voice2}"),
            "voice1": voice1, "voice2": voice2, "rating": 1,
        });
        let url = format!("{}/api/v1/ratings", self.producer);
        loop {
            let request = agent(deadline).post(&url).header("content-type", "application/json");
            let request = match &self.token {
                Some(token) => request.header("authorization", token.bearer()),
                None => request,
            };
            let answer = answer(request.send(rating.to_string()), &url, "--producer-url")?;
            match answer.status {
                201 => {
                    let number = |name: &str| answer.body[name].as_i64();
                    let (partition, offset) = number("partition")
                        .zip(number("offset"))
                        .with_context(|| format!("{url} does not say where it put the rating"))?;
                    let text =
                        format!("a rating is acknowledged, partition@offset {partition}@{offset}");
                    return Ok((text, Place { partition, offset }));
                }
                // The id makes it one rating however often it is sent.
                429 | 503 | 504 if Instant::now() + PAUSE < deadline => std::thread::sleep(PAUSE),
                401 => bail!("{url}: {}; --token-file names a file with a token", answer.problem()),
                _ => bail!("{url}: {}", answer.problem()),
            }
        }
    }

    /// Asks the board until it has counted the rating.
    fn count(&self, place: &Place, deadline: Instant) -> anyhow::Result<(String, ())> {
        let Place { partition, offset } = *place;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = BOARD_WAIT.min(left / 2).as_millis();
            let url =
                format!("{}/api/v1/totals?after={partition}:{offset}&wait_ms={wait}", self.board);
            let answer = answer(agent(deadline).get(&url).call(), &url, "--board-url")?;
            match answer.status {
                200 => return counted(&answer.body, place),
                503 if Instant::now() + PAUSE < deadline => std::thread::sleep(PAUSE),
                503 => bail!(
                    "partition {partition} offset {offset} is not counted within the time limit \
                     (--time-limit-ms): {}",
                    self.trouble(partition)
                ),
                _ => bail!("{url}: {}", answer.problem()),
            }
        }
    }

    /// What the board says is wrong.
    fn trouble(&self, partition: i64) -> String {
        let url = format!("{}/api/v1/partitions", self.board);
        let last = Instant::now() + PAUSE;
        let Ok(Answer { body, .. }) = answer(agent(last).get(&url).call(), &url, "--board-url")
        else {
            return format!("{url} does not say why");
        };
        let partitions = body["partitions"].as_array().into_iter().flatten();
        let of = partitions.into_iter().find(|of| of["partition"] == partition);
        let state = of.map_or("not known", |of| of["state"].as_str().unwrap_or_default());
        let problem = body["problem"].as_str().unwrap_or("it names no problem");
        format!("the board says that the partition is {state}; {problem}")
    }
}

/// Looks whether totals that have passed the rating have its voices.
fn counted(totals: &Value, place: &Place) -> anyhow::Result<(String, ())> {
    let Place { partition, offset } = *place;
    let position = totals["position"][partition.to_string()].as_i64();
    ensure!(position > Some(offset), "the board answers totals of before the rating: {position:?}");
    let rows: Vec<&Value> = totals["voices"].as_array().into_iter().flatten().collect();
    let is_shown = |voice: &str| {
        rows.iter().any(|row| row["voice"] == *voice && row["meh"].as_u64() > Some(0))
    };
    if let Some(voice) = VOICES.into_iter().find(|voice| !is_shown(voice)) {
        bail!("the board has passed the rating, but shows none of {voice}");
    }
    Ok((format!("the board has counted it, as one of {}", totals["counted"]), ()))
}

/// A client whose next answer comes before the deadline or not at all.
fn agent(deadline: Instant) -> ureq::Agent {
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let config = ureq::Agent::config_builder();
    config.timeout_global(Some(left)).http_status_as_error(false).build().into()
}

fn answer(
    result: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    url: &str,
    flag: &str,
) -> anyhow::Result<Answer> {
    let read = |mut answer: ureq::http::Response<ureq::Body>| {
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok((status, body))
    };
    let (status, body) = result
        .and_then(read)
        .with_context(|| format!("{url} does not answer; is {flag} reachable from here?"))?;
    // What is no JSON is no answer of these services; its status says more than its text.
    Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() })
}
