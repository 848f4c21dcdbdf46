//! The smoke test: three messages through a cluster and back, or one rating through the services to the
//! board, and a verdict.
//!
//! ```text
//!  topic there? ─no─► create it
//!       ▼
//!  produce 3 messages, keys and a header of this run only ──► the offsets they got
//!       ▼
//!  consume from exactly those offsets ──► the same keys, headers and texts? ──► pass │ fail
//! ```
//!
//! The way through the services is in `services`.

mod services;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::time::timeout_at;

pub use self::services::Services;
use crate::queue::{Admin, KafkaSettings, OutRecord, Placed, Reader, Writer};
use crate::telemetry::say;

/// The messages that `docs/walkthrough.md` sends by hand.
const MESSAGES: [&str; 3] = ["test", "this is only a test", "repeat this is only a test"];

/// The header that tells this run's messages from those of others.
const RUN_HEADER: &str = "erboh-smoke-run";

/// What to look at when a cluster keeps silent.
const HINT: &str = "are --brokers and the addresses that they advertise reachable from here?";

/// Time between two looks for a topic that was just created.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// What the smoke test is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is tested.
    pub target: Target,
    /// The whole test fails after this time.
    pub time_limit: Duration,
}

/// What is tested.
#[derive(Debug, Clone)]
pub enum Target {
    /// A cluster.
    Queue(Queue),
    /// A producer and a board.
    Services(Services),
}

/// A cluster, and what to do there.
#[derive(Debug, Clone)]
pub struct Queue {
    /// The cluster to test.
    pub kafka: KafkaSettings,
    /// The topic to use.
    pub topic: String,
}

/// A message as it was sent, and where it is.
struct Sent {
    key: String,
    text: &'static str,
    place: Placed,
}

/// Runs the test, prints each step and the verdict, and says whether it passed.
pub async fn run(settings: Settings) -> bool {
    let started = Instant::now();
    let deadline = started + settings.time_limit;
    let passed = match settings.target {
        Target::Queue(queue) => {
            say(&format!("smoke test of {}, topic {}", queue.kafka.brokers, queue.topic));
            steps(&queue, deadline).await
        }
        Target::Services(services) => {
            say(&format!("smoke test of {services}"));
            let steps = tokio::task::spawn_blocking(move || services.steps(deadline));
            steps.await.unwrap_or(false)
        }
    };
    let verdict = if passed { "pass" } else { "fail" };
    say(&format!("{verdict} in {} ms", started.elapsed().as_millis()));
    passed
}

async fn steps(settings: &Queue, deadline: Instant) -> bool {
    let run = uuid::Uuid::now_v7().to_string();
    let Some(()) = step("topic", deadline, topic(settings)).await else { return false };
    let producing = produce(settings, &run, deadline);
    let Some(sent) = step("produce", deadline, producing).await else { return false };
    step("consume", deadline, consume(settings, run, sent)).await.is_some()
}

/// Runs one step and prints how it went: the name, what happened and how long it took.
async fn step<T>(
    name: &str,
    deadline: Instant,
    work: impl Future<Output = anyhow::Result<(String, T)>>,
) -> Option<T> {
    let started = Instant::now();
    let result = timeout_at(deadline.into(), work).await;
    let late = |_| bail!("no answer within the time limit (--time-limit-ms); {HINT}");
    told(name, started, result.unwrap_or_else(late))
}

/// Prints how a step went.
fn told<T>(name: &str, started: Instant, result: anyhow::Result<(String, T)>) -> Option<T> {
    let took = started.elapsed().as_millis();
    match result {
        Ok((text, value)) => {
            say(&format!("  ok    {name:8} {text} ({took} ms)"));
            Some(value)
        }
        Err(error) => {
            say(&format!("  FAIL  {name:8} {error:#} ({took} ms)"));
            None
        }
    }
}

async fn topic(settings: &Queue) -> anyhow::Result<(String, ())> {
    let admin = Admin::connect(&settings.kafka)?;
    let partitions = admin.partitions(&settings.topic).await?;
    if partitions > 0 {
        return Ok((format!("found, {partitions} partition(s)"), ()));
    }
    // The cluster knows best how many copies a topic should have.
    admin.create(&settings.topic, 1, -1, &[]).await?;
    while admin.partitions(&settings.topic).await? == 0 {
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    Ok(("created, 1 partition".to_owned(), ()))
}

async fn produce(
    settings: &Queue,
    run: &str,
    deadline: Instant,
) -> anyhow::Result<(String, Vec<Sent>)> {
    let writer = Writer::connect(&settings.kafka, &settings.topic)?;
    let key = |number: usize| format!("{run}-{number}");
    let header = || (RUN_HEADER.to_owned(), run.as_bytes().to_vec());
    let batch = MESSAGES.iter().enumerate().map(|(number, text)| OutRecord {
        headers: vec![header()],
        ..OutRecord::new(key(number), *text)
    });
    let time = deadline.saturating_duration_since(Instant::now());
    let results = writer.send(batch.collect(), time).await;
    let mut sent = Vec::with_capacity(MESSAGES.len());
    for (number, (result, text)) in results.into_iter().zip(MESSAGES).enumerate() {
        let place = result.with_context(|| format!("message {text:?}"))?;
        sent.push(Sent { key: key(number), text, place });
    }
    let places: Vec<String> =
        sent.iter().map(|s| format!("{}@{}", s.place.partition, s.place.offset)).collect();
    Ok((format!("3 messages acknowledged, partition@offset {}", places.join(" ")), sent))
}

async fn consume(settings: &Queue, run: String, sent: Vec<Sent>) -> anyhow::Result<(String, ())> {
    let (kafka, topic) = (settings.kafka.clone(), settings.topic.clone());
    // A reader blocks its thread.
    let read = move || read_back(&kafka, &topic, &run, &sent);
    tokio::task::spawn_blocking(read).await.context("the reading thread")??;
    Ok(("all 3 came back unchanged".to_owned(), ()))
}

/// A record's offset and key, header and text, each as far as it is there.
type Found = (i64, [Option<Vec<u8>>; 3]);

fn read_back(kafka: &KafkaSettings, topic: &str, run: &str, sent: &[Sent]) -> anyhow::Result<()> {
    let reader = Reader::connect(kafka, "erboh-smoke")?;
    let mut ranges: BTreeMap<i32, (i64, i64)> = BTreeMap::new();
    for Placed { partition, offset } in sent.iter().map(|sent| sent.place) {
        let range = ranges.entry(partition).or_insert((offset, offset + 1));
        *range = (range.0.min(offset), range.1.max(offset + 1));
    }
    let mut found: BTreeMap<i32, Vec<Found>> = BTreeMap::new();
    for (partition, range) in ranges {
        let records = found.entry(partition).or_default();
        reader.range(topic, partition, range, |record| {
            // Others may write to the topic at the same time; theirs are not ours to judge.
            if record.header(RUN_HEADER) == Some(run.as_bytes()) {
                let parts = [record.key(), record.header(RUN_HEADER), record.value()];
                records.push((record.offset(), parts.map(|part| part.map(<[u8]>::to_vec))));
            }
        })?;
    }
    for Sent { key, text, place } in sent {
        let Placed { partition, offset } = *place;
        let at = format!("partition {partition} offset {offset}");
        let records = found.get(&partition).map_or(&[][..], Vec::as_slice);
        let Some((_, parts)) = records.iter().find(|(found, _)| *found == offset) else {
            bail!("message {text:?} was acknowledged at {at}, but is not there");
        };
        let expected = [key.as_str(), run, text].map(|part| Some(part.as_bytes().to_vec()));
        ensure!(*parts == expected, "the message at {at} is not what was sent: {text:?}");
    }
    let count: usize = found.values().map(Vec::len).sum();
    ensure!(count == sent.len(), "3 messages were sent, but {count} of this run came back");
    Ok(())
}
