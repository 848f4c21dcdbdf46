//! The latency of a single rating, next to the broker's own acknowledgement.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use erboh::queue::Topics;
use erboh::rating::RatingId;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};

use super::{COMPRESSION, ours};
use crate::http::Client;
use crate::producer::Producer;
use crate::start::TIMEOUT;
use crate::stats::{ms, percentile};

/// Pause between two ratings, so that they do not queue up.
const PAUSE: Duration = Duration::from_millis(4);

/// Latencies of one run in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Latency {
    /// p50 and p99 of the acknowledgement to a bare Kafka client.
    pub(super) bare: [f64; 2],
    /// p50 and p99 of the response to a POST.
    pub(super) post: [f64; 2],
}

/// Measures `singles` ratings by each way, alternating.
pub(super) fn measure(
    producer: &Producer,
    bootstrap: &str,
    singles: u32,
) -> anyhow::Result<Latency> {
    let mut client = Client::connect(producer.address)?;
    let bare = Bare::connect(bootstrap)?;
    let (mut posted, mut sent) = (Vec::new(), Vec::new());
    // The first ones open connections and fetch metadata.
    let warm_up = singles / 10;
    for (number, mut rating) in
        ours::ratings().cycle().take((warm_up + singles) as usize).enumerate()
    {
        rating.rater = None;
        let body = rating.to_json();
        std::thread::sleep(PAUSE);
        let began = Instant::now();
        let response = client.post("application/json", "", &body, 1)?;
        let post = began.elapsed();
        if response.status != 201 {
            bail!(
                "a rating was answered with status {}: {}",
                response.status,
                String::from_utf8_lossy(&response.body)
            );
        }
        let id = RatingId::new();
        rating.id = Some(id);
        let (key, value) = (id.to_string(), rating.to_json());
        std::thread::sleep(PAUSE);
        let ack = bare.send(&key, &value)?;
        if number >= warm_up as usize {
            posted.push(ms(post));
            sent.push(ms(ack));
        }
    }
    Ok(Latency { bare: percentiles(&sent), post: percentiles(&posted) })
}

/// A Kafka client that sends one record at a time.
struct Bare {
    client: ThreadedProducer<Acknowledged>,
    acknowledged: std::sync::mpsc::Receiver<Result<(), String>>,
    topic: String,
}

struct Acknowledged(SyncSender<Result<(), String>>);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let result = result.as_ref().map(drop).map_err(|(error, _)| error.to_string());
        // An error means that the receiver has timed out.
        let _ = self.0.try_send(result);
    }
}

impl Bare {
    fn connect(bootstrap: &str) -> anyhow::Result<Self> {
        let (sender, acknowledged) = sync_channel(1);
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("acks", "all").set("linger.ms", "0");
        config.set("enable.idempotence", "true").set("compression.type", COMPRESSION);
        let client = config.create_with_context(Acknowledged(sender)).context("a Kafka client")?;
        Ok(Self { client, acknowledged, topic: Topics::default().ratings })
    }

    fn send(&self, key: &str, value: &[u8]) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let record = BaseRecord::to(&self.topic).key(key).payload(value);
        self.client.send(record).map_err(|(error, _)| error)?;
        let result = self.acknowledged.recv_timeout(TIMEOUT)?;
        let took = began.elapsed();
        result.map(|()| took).map_err(|reason| anyhow::anyhow!("the bare Kafka client: {reason}"))
    }
}

fn percentiles(times_ms: &[f64]) -> [f64; 2] {
    [50, 99].map(|percent| percentile(times_ms, percent))
}
