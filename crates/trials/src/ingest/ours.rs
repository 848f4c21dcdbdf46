//! Our side of the benchmark: ratings uploaded as NDJSON.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{anyhow, bail};
use erboh::rating::simulate::Researchers;
use serde::Deserialize;

use crate::http::{Client, Response};
use crate::producer::Producer;

/// Concurrent uploads: more than one, so that the producer is never idle.
const CONNECTIONS: u64 = 2;
/// Ratings in the prepared body, which a request repeats.
pub(super) const PREPARED: u64 = 20_000;
/// Repetitions per request, enough to make the fixed cost of a request negligible.
const TIMES: u64 = 10;

/// A repeatable upload.
pub(super) struct Upload {
    address: SocketAddr,
    /// The ratings that the peer sends too, without ids: the producer generates them.
    lines: String,
}

/// The last line of a response.
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

    /// Uploads about `ratings` ratings; returns the acknowledged ratings per second.
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
            // Reports only errors line by line.
            let prefer = "prefer: return=minimal\r\n";
            let response = client.post("application/x-ndjson", prefer, body, TIMES as usize)?;
            sent += acknowledged(&response)?;
        }
        Ok(sent)
    }
}

/// The ratings of both sides.
pub(super) fn ratings() -> impl Iterator<Item = erboh::rating::Rating> + Clone {
    Researchers::new(7).take(PREPARED as usize)
}

/// The acknowledged ratings; an error unless all were acknowledged.
fn acknowledged(response: &Response) -> anyhow::Result<u64> {
    let lines = String::from_utf8_lossy(&response.body);
    let last = lines.trim().lines().next_back().unwrap_or_default();
    let summary = serde_json::from_str::<Summary>(last);
    match summary {
        Ok(Summary { status, created }) if status == "done" && created == PREPARED * TIMES => {
            Ok(created)
        }
        _ => bail!("an upload was answered with status {}: {last}", response.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomplete_upload_is_an_error() {
        let all = PREPARED * TIMES;
        let response =
            |body: String| Response { status: 200, head: String::new(), body: body.into() };
        let done = format!("{{\"status\":\"done\",\"created\":{all},\"unknown\":0}}\n");
        assert_eq!(acknowledged(&response(done.clone())).unwrap(), all);
        assert!(acknowledged(&response(done.replace("done", "aborted"))).is_err());
        assert!(acknowledged(&response(done.replace(&all.to_string(), "7"))).is_err());
        assert!(acknowledged(&response(String::new())).is_err());
    }
}
