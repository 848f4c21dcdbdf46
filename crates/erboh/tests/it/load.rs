//! Load: ratings sent over HTTP as an honest client does, and the books on what was acknowledged.
//!
//! ```text
//!  threads ──POST, again with the same id until 201──► producers
//!     └──► Acknowledged: ids, voice by voice, offsets ══ must equal ══ GET /api/v1/totals
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, RwLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::WAIT_MAX;
use crate::support::wait::becomes;

/// Longer than a producer waits for its queue, so that it is the producer who gives up.
const HTTP_WAIT: Duration = Duration::from_secs(10);
/// Before a request is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(5);
const VOICES: [&str; 4] = ["Darth Vader", "Joan of Arc", "Big Bird", "<script>alert(1)</script>"];

/// What was acknowledged, and so must be counted.
#[derive(Default)]
pub(crate) struct Acknowledged {
    /// The ids, in the order of their acknowledgements.
    pub(crate) ids: Vec<Uuid>,
    /// Hated, meh, liked by voice.
    voices: BTreeMap<&'static str, [u64; 3]>,
    /// By partition, the largest offset that was answered.
    pub(crate) offsets: BTreeMap<String, u64>,
    /// Requests that had to be sent again.
    pub(crate) retries: usize,
}

/// What writers and the test share.
pub(crate) struct Load {
    producers: RwLock<Vec<String>>,
    acknowledged: Mutex<Acknowledged>,
    /// What each writer waits between two ratings.
    pause: Duration,
    next: AtomicUsize,
    stopping: AtomicBool,
}

impl Load {
    /// Load for these producers (URLs that end in `/`); each writer rests for `pause` after each
    /// rating.
    pub(crate) fn new(producers: &[&str], pause: Duration) -> Self {
        Self {
            producers: RwLock::new(producers.iter().map(|url| (*url).to_owned()).collect()),
            acknowledged: Mutex::default(),
            pause,
            next: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        }
    }

    /// Sends to these producers from now on.
    pub(crate) fn redirect(&self, producers: &[&str]) {
        *self.producers.write().unwrap() = producers.iter().map(|url| (*url).to_owned()).collect();
    }

    /// Sends with `writers` threads while `act` runs. Afterwards every rating that was sent has
    /// been acknowledged.
    pub(crate) fn during<T>(&self, writers: usize, act: impl FnOnce() -> T) -> T {
        self.stopping.store(false, Ordering::Relaxed);
        std::thread::scope(|scope| {
            // Writers stop also when `act` panics; the scope would wait for them forever.
            let _stop = StopOnDrop(&self.stopping);
            for _ in 0..writers {
                scope.spawn(|| self.write());
            }
            act()
        })
    }

    /// What is acknowledged so far.
    pub(crate) fn acknowledged(&self) -> MutexGuard<'_, Acknowledged> {
        self.acknowledged.lock().unwrap()
    }

    /// How many ratings are acknowledged.
    pub(crate) fn count(&self) -> usize {
        self.acknowledged().ids.len()
    }

    /// Waits until so many more ratings are acknowledged.
    #[track_caller]
    pub(crate) fn wait_for(&self, more: usize) {
        let enough = self.count() + more;
        becomes("more acknowledgements", || self.count() >= enough);
    }

    /// Sends one rating from this thread; answers its partition and offset.
    pub(crate) fn send(&self) -> (String, u64) {
        self.send_next(&agent())
    }

    /// One writer: sends ratings until it is told to stop; the one in hand it brings to an end.
    fn write(&self) {
        let agent = agent();
        while !self.stopping.load(Ordering::Relaxed) {
            self.send_next(&agent);
            std::thread::sleep(self.pause);
        }
    }

    fn send_next(&self, agent: &ureq::Agent) -> (String, u64) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let voices = [VOICES[number % 4], VOICES[(number + 1 + number / 4 % 3) % 4]];
        let score = number / 12 % 3;
        let id = Uuid::now_v7();
        let rating = json!({
            "id": id, "battle": "Darth Vader vs Big Bird",
            "voice1": voices[0], "voice2": voices[1], "rating": score,
        });
        let (answer, retries) = self.insist(agent, number, &rating.to_string());
        assert_eq!(answer["id"], json!(id));

        let mut acknowledged = self.acknowledged();
        acknowledged.ids.push(id);
        acknowledged.retries += retries;
        for voice in voices {
            acknowledged.voices.entry(voice).or_default()[score] += 1;
        }
        let (partition, offset) =
            (answer["partition"].to_string(), answer["offset"].as_u64().unwrap());
        let largest = acknowledged.offsets.entry(partition.clone()).or_default();
        *largest = offset.max(*largest);
        (partition, offset)
    }

    /// Sends one rating again and again until it is acknowledged, to another producer each time;
    /// answers how often it failed.
    fn insist(&self, agent: &ureq::Agent, number: usize, rating: &str) -> (Value, usize) {
        let deadline = Instant::now() + WAIT_MAX;
        for retries in 0.. {
            let producer = {
                let producers = self.producers.read().unwrap();
                producers[(number + retries) % producers.len()].clone()
            };
            match post(agent, &producer, rating) {
                Some((201, answer)) => return (answer, retries),
                Some((status, answer)) => assert!(status >= 500, "{answer} to {rating}"),
                None => {}
            }
            assert!(Instant::now() < deadline, "never acknowledged: {rating}");
            std::thread::sleep(RETRY_PAUSE);
        }
        unreachable!("the loop above ends by an answer or by its deadline")
    }
}

impl Acknowledged {
    /// Whether totals have everything that was acknowledged.
    pub(crate) fn is_in(&self, totals: &Value) -> bool {
        self.offsets.iter().all(|(partition, offset)| {
            totals["position"][partition].as_u64().is_some_and(|position| position > *offset)
        })
    }

    /// Fails unless totals that have everything acknowledged have exactly that.
    #[track_caller]
    pub(crate) fn check(&self, totals: &Value) {
        assert_eq!(totals["counted"], json!(self.ids.len()), "{totals}");
        assert_eq!(totals["dead"], json!(0), "{totals}");
        assert_eq!(totals["exact"], json!(true), "{totals}");
        // A second copy stands in the log only where a request was sent again.
        assert!(totals["duplicates"].as_u64().unwrap() <= self.retries as u64, "{totals}");
        let distinct: BTreeSet<_> = self.ids.iter().collect();
        assert_eq!(distinct.len(), self.ids.len());
        for row in totals["voices"].as_array().unwrap() {
            let [hated, meh, liked] =
                self.voices.get(row["voice"].as_str().unwrap()).copied().unwrap_or_default();
            let expected = json!({
                "voice": row["voice"], "hated": hated, "meh": meh, "liked": liked,
                "sum": meh + 2 * liked, "count": hated + meh + liked,
            });
            assert_eq!(*row, expected);
        }
        let rows = totals["voices"].as_array().unwrap();
        let listed = |voice: &str| rows.iter().any(|row| row["voice"] == *voice);
        assert!(self.voices.keys().all(|voice| listed(voice)), "{totals}");
    }
}

/// Tells the writers to stop, however its scope ends.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A client that hears every answer, also bad ones.
pub(crate) fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder();
    config.timeout_global(Some(HTTP_WAIT)).http_status_as_error(false).build().into()
}

/// Sends one rating: status and body of the answer, if there was a whole one. A body that is cut
/// off is no acknowledgement.
pub(crate) fn post(agent: &ureq::Agent, producer: &str, rating: &str) -> Option<(u16, Value)> {
    let request = agent.post(format!("{producer}api/v1/ratings"));
    let mut answer = request.header("content-type", "application/json").send(rating).ok()?;
    let body = answer.body_mut().read_to_string().ok()?;
    Some((answer.status().as_u16(), serde_json::from_str(&body).unwrap_or(Value::String(body))))
}

/// Asks for JSON; none where nobody answers or the answer is an error.
pub(crate) fn get(agent: &ureq::Agent, url: &str) -> Option<Value> {
    let mut answer = agent.get(url).call().ok()?;
    let body = answer.body_mut().read_to_string().ok()?;
    (answer.status() == 200).then(|| serde_json::from_str(&body).unwrap())
}
