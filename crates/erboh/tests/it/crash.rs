//! The demo is killed in the middle of load, several times, and the totals are still exact.
//!
//! ```text
//!  threads ──POST, again with the same id until 201──► demo ──X kill -9, start on the same data
//!                                                       │
//!  acknowledged ids, voice by voice ══ must equal ══ GET /api/v1/totals
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::WAIT_MAX;
use crate::process::{ANY_PORT, Process};

const WRITERS: usize = 4;
/// Acknowledgements to wait for before each kill: early, so that a start is hit that has just
/// taken over, and late, so that snapshots stand on the topic.
const ACKNOWLEDGED_BEFORE_KILL: [usize; 5] = [400, 1, 50, 1000, 200];
const HTTP_WAIT: Duration = Duration::from_secs(10);
/// Before a request is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(5);
const VOICES: [&str; 4] = ["Darth Vader", "Joan of Arc", "Big Bird", "<script>alert(1)</script>"];

/// A running demo.
struct Demo {
    process: Process,
    places: Places,
}

/// Where the demo is, as it has said.
#[derive(Clone)]
struct Places {
    producer: String,
    board: String,
}

impl Demo {
    fn start(home: &Path) -> Self {
        let mut process = Process::demo(home, &ANY_PORT);
        let mut places = process.places().into_iter().map(|(_, place)| place);
        let (producer, board) = (places.next().unwrap(), places.next().unwrap());
        Self { process, places: Places { producer, board } }
    }
}

/// What was acknowledged, and so must be counted.
#[derive(Default)]
struct Acknowledged {
    ids: Vec<Uuid>,
    /// Hated, meh, liked by voice.
    voices: BTreeMap<&'static str, [u64; 3]>,
    /// By partition, the largest offset that was answered.
    offsets: BTreeMap<String, u64>,
    /// Requests that had to be sent again.
    retries: usize,
}

/// What writers and killer share.
struct Load {
    places: RwLock<Places>,
    acknowledged: Mutex<Acknowledged>,
    next: AtomicUsize,
    stopping: AtomicBool,
}

impl Load {
    /// One writer: sends ratings until it is told to stop; the one in hand it brings to an end.
    fn write(&self) {
        let agent = agent();
        while !self.stopping.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let voices = [VOICES[number % 4], VOICES[(number + 1 + number / 4 % 3) % 4]];
            let score = number / 12 % 3;
            let id = Uuid::now_v7();
            let rating = json!({
                "id": id, "battle": "Darth Vader vs Big Bird",
                "voice1": voices[0], "voice2": voices[1], "rating": score,
            });
            let (answer, retries) = self.send(&agent, &rating.to_string());
            assert_eq!(answer["id"], json!(id));

            let mut acknowledged = self.acknowledged.lock().unwrap();
            acknowledged.ids.push(id);
            acknowledged.retries += retries;
            for voice in voices {
                acknowledged.voices.entry(voice).or_default()[score] += 1;
            }
            let offset = answer["offset"].as_u64().unwrap();
            let largest = acknowledged.offsets.entry(answer["partition"].to_string()).or_default();
            *largest = offset.max(*largest);
        }
    }

    /// Sends one rating again and again until it is acknowledged; answers how often it failed.
    fn send(&self, agent: &ureq::Agent, rating: &str) -> (Value, usize) {
        let deadline = Instant::now() + WAIT_MAX;
        for retries in 0.. {
            let url = format!("{}api/v1/ratings", self.places.read().unwrap().producer);
            let request = agent.post(&url).header("content-type", "application/json");
            match request.send(rating) {
                Ok(mut answer) if answer.status() == 201 => {
                    // A body that is cut off is no acknowledgement.
                    if let Ok(body) = answer.body_mut().read_to_string() {
                        return (serde_json::from_str(&body).unwrap(), retries);
                    }
                }
                Ok(answer) => assert!(answer.status().is_server_error(), "{answer:?} to {rating}"),
                Err(_) => {}
            }
            assert!(Instant::now() < deadline, "never acknowledged: {rating}");
            std::thread::sleep(RETRY_PAUSE);
        }
        unreachable!("the loop above ends by an answer or by its deadline")
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().ids.len()
    }
}

/// Tells the writers to stop, however its scope ends.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder();
    config.timeout_global(Some(HTTP_WAIT)).http_status_as_error(false).build().into()
}

fn totals(places: &Places) -> Value {
    let mut answer = agent().get(format!("{}api/v1/totals", places.board)).call().unwrap();
    serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
}

#[track_caller]
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {WAIT_MAX:?}: {what}");
        std::thread::sleep(RETRY_PAUSE);
    }
}

/// The totals after everything acknowledged has been passed must be exactly that.
#[track_caller]
fn check(places: &Places, wanted: &Acknowledged) {
    let totals = eventually("the board passes every acknowledged offset", || {
        let totals = totals(places);
        let passed = |(partition, offset): (&String, &u64)| {
            totals["position"][partition].as_u64().is_some_and(|position| position > *offset)
        };
        wanted.offsets.iter().all(passed).then_some(totals)
    });
    assert_eq!(totals["counted"], json!(wanted.ids.len()), "{totals}");
    assert_eq!(totals["dead"], json!(0), "{totals}");
    assert_eq!(totals["exact"], json!(true), "{totals}");
    // A second copy stands in the log only where a request was sent again.
    assert!(totals["duplicates"].as_u64().unwrap() <= wanted.retries as u64, "{totals}");
    for row in totals["voices"].as_array().unwrap() {
        let [hated, meh, liked] =
            wanted.voices.get(row["voice"].as_str().unwrap()).copied().unwrap_or_default();
        let expected = json!({
            "voice": row["voice"], "hated": hated, "meh": meh, "liked": liked,
            "sum": meh + 2 * liked, "count": hated + meh + liked,
        });
        assert_eq!(*row, expected);
    }
    let listed =
        |voice: &str| totals["voices"].as_array().unwrap().iter().any(|row| row["voice"] == *voice);
    assert!(wanted.voices.keys().all(|voice| listed(voice)), "{totals}");
}

#[test]
fn kill_9_in_the_middle_of_load_costs_no_rating_and_counts_none_twice() {
    let data = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(data.path());
    let load = Load {
        places: RwLock::new(demo.places.clone()),
        acknowledged: Mutex::default(),
        next: AtomicUsize::new(0),
        stopping: AtomicBool::new(false),
    };
    let demo = std::thread::scope(|scope| {
        // Writers stop also when this thread panics; the scope would wait for them forever.
        let _stop = StopOnDrop(&load.stopping);
        for _ in 0..WRITERS {
            scope.spawn(|| load.write());
        }
        for more in ACKNOWLEDGED_BEFORE_KILL {
            let enough = load.count() + more;
            eventually("acknowledgements", || (load.count() >= enough).then_some(()));
            demo.process.kill();
            demo = Demo::start(data.path());
            *load.places.write().unwrap() = demo.places.clone();
        }
        let enough = load.count() + 100;
        eventually("acknowledgements after the last kill", || {
            (load.count() >= enough).then_some(())
        });
        demo
    });
    let acknowledged = load.acknowledged.into_inner().unwrap();
    assert!(acknowledged.retries > 0, "no kill hit a request in flight");
    check(&demo.places, &acknowledged);

    // And once more with nothing going on: what the board says is what the data says.
    demo.process.kill();
    let demo = Demo::start(data.path());
    check(&demo.places, &acknowledged);
}
