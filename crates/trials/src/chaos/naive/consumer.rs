//! A naive consumer: saves its totals every second and lets the Kafka client auto-commit offsets.
//! After a crash the committed offset and the saved totals do not match.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use clap::Args;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::{ClientConfig, ClientContext, Message as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::observer::RATINGS;
use super::super::shared::lock;
use crate::ratings::totals::Voices;

/// Interval between saves of the totals.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);
/// Timeout of one poll.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// Command-line options of the naive consumer.
#[derive(Debug, Args)]
pub(crate) struct ConsumerFlags {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    ops_listen: SocketAddr,
    #[arg(long)]
    brokers: String,
    #[arg(long)]
    group: String,
    /// `session.timeout.ms`
    #[arg(long)]
    session_ms: u32,
    /// Directory of the saved totals of all replicas
    #[arg(long)]
    directory: PathBuf,
}

/// The totals of one partition.
#[derive(Default, Serialize, Deserialize)]
struct Partition {
    position: i64,
    counted: u64,
    duplicates: u64,
    voices: Voices,
    /// Lost at a restart, as in most demos that deduplicate at all.
    #[serde(skip)]
    ids: HashSet<String>,
}

/// The totals, shared with the board.
#[derive(Clone)]
struct Totals {
    directory: Arc<Path>,
    owned: Arc<Mutex<BTreeMap<i32, Partition>>>,
}

impl Totals {
    fn file(&self, partition: i32) -> PathBuf {
        self.directory.join(format!("{partition}.json"))
    }

    fn load(&self, partition: i32) -> Option<Partition> {
        serde_json::from_slice(&std::fs::read(self.file(partition)).ok()?).ok()
    }

    fn save(&self) -> anyhow::Result<()> {
        for (partition, totals) in lock(&self.owned).iter() {
            // Renamed atomically, so that no half-written file is read.
            let partial = self.file(*partition).with_extension(std::process::id().to_string());
            std::fs::write(&partial, serde_json::to_vec(totals)?)?;
            std::fs::rename(partial, self.file(*partition))?;
        }
        Ok(())
    }
}

impl ClientContext for Totals {}

impl ConsumerContext for Totals {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(_) = rebalance {
            let _ = self.save();
            lock(&self.owned).clear();
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            for element in TopicPartitionList::elements(list) {
                let partition = element.partition();
                let totals = self.load(partition).unwrap_or_default();
                lock(&self.owned).insert(partition, totals);
            }
        }
    }
}

impl ConsumerFlags {
    /// Serves until the process is stopped.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        std::fs::create_dir_all(&self.directory).context("--directory")?;
        let totals = Totals { directory: self.directory.as_path().into(), owned: Arc::default() };
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("group.id", &self.group);
        config.set("enable.auto.commit", "true").set("auto.commit.interval.ms", "5000");
        config.set("auto.offset.reset", "earliest");
        config.set("session.timeout.ms", self.session_ms.to_string());
        config.set("topic.metadata.refresh.interval.ms", "2000");
        let consumer: BaseConsumer<Totals> =
            config.create_with_context(totals.clone()).context("the Kafka client")?;
        consumer.subscribe(&[RATINGS])?;
        let counting = totals.clone();
        std::thread::spawn(move || count(&consumer, &counting));
        let routes = Router::new()
            .route("/api/v1/totals", get(board))
            .route("/api/v1/partitions", get(|| async { Json(json!({"partitions": []})) }))
            .route("/readyz", get(|| async { "ready" }))
            .with_state(totals);
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(super::serve(self.listen, self.ops_listen, routes))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn count(consumer: &BaseConsumer<Totals>, totals: &Totals) {
    let mut saved = Instant::now();
    loop {
        if let Some(Ok(message)) = consumer.poll(POLL_TIMEOUT)
            && let Some(partition) = lock(&totals.owned).get_mut(&message.partition())
        {
            add(partition, message.payload().unwrap_or_default());
            partition.position = message.offset() + 1;
        }
        if saved.elapsed() >= SAVE_INTERVAL {
            saved = Instant::now();
            let _ = totals.save();
        }
    }
}

fn add(partition: &mut Partition, value: &[u8]) {
    let rating: Value = serde_json::from_slice(value).unwrap_or_default();
    if !partition.ids.insert(rating["id"].to_string()) {
        partition.duplicates += 1;
        return;
    }
    partition.counted += 1;
    for voice in ["voice1", "voice2"] {
        let voice = rating[voice].as_str().unwrap_or_default().to_owned();
        let score = rating["rating"].as_u64().unwrap_or_default().min(2) as usize;
        partition.voices.entry(voice).or_default()[score] += 1;
    }
}

/// The partitions of this replica from memory, the others as saved by their owners.
async fn board(State(totals): State<Totals>) -> Json<Value> {
    let mut voices = Voices::new();
    let (mut counted, mut duplicates, mut position) = (0, 0, BTreeMap::new());
    let owned = lock(&totals.owned);
    for number in 0..super::super::fault::PARTITIONS {
        let saved;
        let partition = if let Some(partition) = owned.get(&number) {
            partition
        } else {
            saved = totals.load(number).unwrap_or_default();
            &saved
        };
        counted += partition.counted;
        duplicates += partition.duplicates;
        position.insert(number.to_string(), partition.position);
        for (voice, tally) in &partition.voices {
            let sum = voices.entry(voice.clone()).or_default();
            sum.iter_mut().zip(tally).for_each(|(sum, more)| *sum += more);
        }
    }
    let row = |(voice, [hated, meh, liked]): (String, [u64; 3])| json!({"voice": voice, "hated": hated, "meh": meh, "liked": liked});
    let voices: Vec<Value> = voices.into_iter().map(row).collect();
    Json(json!({
        "voices": voices, "counted": counted, "duplicates": duplicates, "dead": 0, "exact": true,
        "position": position,
    }))
}
