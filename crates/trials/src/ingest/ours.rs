//! Ours: ratings that are uploaded as NDJSON.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{anyhow, bail};
use erboh::rating::simulate::Researchers;
use serde::Deserialize;

use crate::http::{Answer, Client};
use crate::producer::Producer;

/// Connections that upload at once: more than one, so that the producer always has work.
const CONNECTIONS: u64 = 2;
/// Ratings in the prepared text; a request sends it several times.
pub(super) const PREPARED: u64 = 20_000;
/// Times that one request sends it: long enough that beginning and end do not count.
const TIMES: u64 = 10;

/// An upload that can be repeated.
pub(super) struct Upload {
    address: SocketAddr,
    /// The same ratings that the peer sends, without ids: the producer gives those.
    lines: String,
}

/// The last line of an answer.
#[derive(Deserialize)]
struct Summary {
    status: String,
    created: u64,
}

impl Upload {
    pub(super) fn prepare(producer: &Producer) -> Self {
        let mut lines = String::new();
        for mut rating in ratings() {
            rating.rater = None;
            lines.push_str(&String::from_utf8_lossy(&rating.to_json()));
            lines.push('\n');
        }
        Self { address: producer.address, lines }
    }

    /// Uploads about so many ratings; says how many were acknowledged a second.
    pub(super) fn run(&self, ratings: u64) -> anyhow::Result<f64> {
        let requests = ratings.div_ceil(PREPARED * TIMES * CONNECTIONS);
        let began = Instant::now();
        let sent: Vec<anyhow::Result<u64>> = std::thread::scope(|scope| {
            let uploads: Vec<_> =
                (0..CONNECTIONS).map(|_| scope.spawn(|| self.upload(requests))).collect();
            let joined = uploads.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined
                .map(|ended| ended.unwrap_or_else(|_| Err(anyhow!("a client panicked"))))
                .collect()
        });
        let took = began.elapsed();
        let sent: u64 = sent.into_iter().sum::<anyhow::Result<u64>>()?;
        Ok(sent as f64 / took.as_secs_f64())
    }

    fn upload(&self, requests: u64) -> anyhow::Result<u64> {
        let mut client = Client::connect(self.address)?;
        let body = self.lines.as_bytes();
        let mut sent = 0;
        for _ in 0..requests {
            // Only what went wrong is answered line by line.
            let wish = "prefer: return=minimal\r\n";
            let answer = client.post("application/x-ndjson", wish, body, TIMES as usize)?;
            sent += acknowledged(&answer)?;
        }
        Ok(sent)
    }
}

/// The ratings that both sides send.
pub(super) fn ratings() -> impl Iterator<Item = erboh::rating::Rating> + Clone {
    Researchers::new(7).take(PREPARED as usize)
}

/// All of them, or the measurement is none.
fn acknowledged(answer: &Answer) -> anyhow::Result<u64> {
    let lines = String::from_utf8_lossy(&answer.body);
    let last = lines.trim().lines().next_back().unwrap_or_default();
    let summary = serde_json::from_str::<Summary>(last);
    match summary {
        Ok(Summary { status, created }) if status == "done" && created == PREPARED * TIMES => {
            Ok(created)
        }
        _ => bail!("an upload was answered {} with: {last}", answer.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_upload_counts() {
        let all = PREPARED * TIMES;
        let answer = |body: String| Answer { status: 200, head: String::new(), body: body.into() };
        let done = format!("{{\"status\":\"done\",\"created\":{all},\"unknown\":0}}\n");
        assert_eq!(acknowledged(&answer(done.clone())).unwrap(), all);
        assert!(acknowledged(&answer(done.replace("done", "aborted"))).is_err());
        assert!(acknowledged(&answer(done.replace(&all.to_string(), "7"))).is_err());
        assert!(acknowledged(&answer(String::new())).is_err());
    }
}
