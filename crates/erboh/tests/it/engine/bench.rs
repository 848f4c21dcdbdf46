//! A bench: topics and a group of its own on a broker, and ways to write, read and wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use erboh::consumer::engine::{self, Engine, EngineSettings};
use erboh::consumer::view::BoardView;
use erboh::queue::{Admin, KafkaSettings, OutRecord, Placed, Reader, Topics, Writer};
use erboh::totals::Snapshot;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::broker::{Broker, On};

/// Longest wait for anything; only reached when a test fails.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

pub(super) struct Bench {
    pub(super) kafka: KafkaSettings,
    pub(super) settings: EngineSettings,
    pub(super) admin: Admin,
    pub(super) ratings: Writer,
    pub(super) totals: Writer,
    pub(super) sent: u64,
    pub(super) broker: Broker,
}

/// A record as it was read.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    pub(super) headers: Vec<(String, String)>,
}

impl Bench {
    /// Topics with so many partitions on a broker that other benches may use as well.
    pub(super) async fn new(on: On, partitions: i32) -> Self {
        Self::on_broker(Broker::start(on).await, partitions).await
    }

    /// The same on a broker that this bench may stop.
    pub(super) async fn with_own_broker(on: On, partitions: i32) -> Self {
        Self::on_broker(Broker::start_own(on).await, partitions).await
    }

    async fn on_broker(broker: Broker, partitions: i32) -> Self {
        let mut kafka = KafkaSettings::new(broker.address());
        // New partitions are noticed as soon as metadata is refreshed.
        kafka.properties = vec![("topic.metadata.refresh.interval.ms".into(), "500".into())];
        let id = Uuid::now_v7().simple().to_string();
        let topics = Topics {
            ratings: format!("ratings-{id}"),
            totals: format!("totals-{id}"),
            dead_letters: format!("dead-letters-{id}"),
        };
        let settings = EngineSettings {
            group: format!("group-{id}"),
            partitions,
            replication: 1,
            snapshot_interval: Duration::from_millis(20),
            topics,
            ..EngineSettings::default()
        };
        let admin = Admin::connect(&kafka).unwrap();
        admin.ensure_topics(&settings.topics, partitions, 1).await.unwrap();
        let ratings = Writer::connect(&kafka, &settings.topics.ratings).unwrap();
        let totals = ratings.on_topic(&settings.topics.totals);
        Self { kafka, settings, admin, ratings, totals, sent: 0, broker }
    }

    /// Deletes the ratings topic and makes it again.
    pub(super) async fn make_ratings_anew(&self, partitions: i32) {
        let topics = &self.settings.topics;
        self.delete(&topics.ratings).await;
        self.admin.ensure_topics(topics, partitions, 1).await.unwrap();
    }

    /// Deletes a topic; returns when it is gone.
    pub(super) async fn delete(&self, topic: &str) {
        self.admin.delete(topic).await.unwrap();
        let end = Instant::now() + PATIENCE;
        while self.admin.partitions(topic).await.unwrap() > 0 {
            assert!(Instant::now() < end, "topic {topic} does not go");
        }
    }

    /// Gives a topic these settings and no others; returns when the broker works by them.
    pub(super) async fn configure(&self, topic: &str, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.kafka.brokers).create().unwrap();
        let config = AlterConfig::new(ResourceSpecifier::Topic(topic));
        let config = settings.iter().fold(config, |config, (key, value)| config.set(key, value));
        let done = admin.alter_configs([&config], &AdminOptions::new()).await.unwrap();
        assert!(done.iter().all(Result::is_ok), "{done:?}");
        let end = Instant::now() + PATIENCE;
        for (name, value) in settings {
            while self.admin.setting(topic, name).await.unwrap().as_deref() != Some(value) {
                assert!(Instant::now() < end, "topic {topic} never got {name}={value}");
            }
        }
    }

    /// From now on a topic takes no record that says anything.
    pub(super) async fn refuse(&self, topic: &str, cleanup: &str) {
        self.configure(topic, &[("cleanup.policy", cleanup), ("max.message.bytes", "80")]).await;
    }

    /// A topic takes records again.
    pub(super) async fn accept(&self, topic: &str, cleanup: &str) {
        let bytes = erboh::limits::SNAPSHOT_BYTES_MAX.to_string();
        self.configure(topic, &[("cleanup.policy", cleanup), ("max.message.bytes", &bytes)]).await;
    }

    /// Starts an engine.
    pub(super) fn start(&self) -> Engine {
        self.start_with(&self.settings)
    }

    pub(super) fn start_with(&self, settings: &EngineSettings) -> Engine {
        engine::start(self.kafka.clone(), settings.clone(), &CancellationToken::new()).unwrap()
    }

    /// Writes records to the ratings topic as they are.
    pub(super) async fn write(&self, records: Vec<OutRecord>) -> Vec<Placed> {
        send(&self.ratings, records).await
    }

    /// Writes new ratings: each adds 2 to Big Bird and to Macho Man.
    pub(super) async fn rate(&mut self, count: u64) {
        let records = (0..count).map(|_| rating(&Uuid::now_v7().to_string())).collect();
        self.write(records).await;
        self.sent += count;
    }

    /// Everything that stands in a partition of a topic.
    pub(super) async fn read(&self, topic: &str, partition: i32) -> Vec<Stored> {
        let (kafka, topic) = (self.kafka.clone(), topic.to_owned());
        let read = move || {
            let reader = Reader::for_ranges(&kafka, "test").unwrap();
            let range = reader.watermarks(&topic, partition).unwrap();
            let mut found = Vec::new();
            let text = |bytes: Option<&[u8]>| {
                String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap()
            };
            let each = |record: &erboh::queue::Record<'_>| {
                found.push(Stored {
                    key: text(record.key()),
                    value: record.value().unwrap_or_default().to_vec(),
                    headers: ["reason", "source", "fold", "traceparent"]
                        .map(|name| (name.to_owned(), text(record.header(name))))
                        .to_vec(),
                });
            };
            reader.range(&topic, partition, range, each).unwrap();
            found
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }

    /// Every snapshot of a partition with its slot, in the order of the log.
    pub(super) async fn snapshots(&self, partition: i32) -> Vec<(String, Snapshot)> {
        let stored = self.read(&self.settings.topics.totals, partition).await;
        let parse = |stored: Stored| (stored.key, Snapshot::from_json(&stored.value).unwrap());
        stored.into_iter().map(parse).collect()
    }

    /// The newest snapshot of a partition, as soon as it covers everything before `position`. What
    /// is on the board is counted, and not yet acknowledged by the totals topic.
    pub(super) async fn until_covered(&self, partition: i32, position: i64) -> Snapshot {
        let end = Instant::now() + PATIENCE;
        loop {
            let newest = self.snapshots(partition).await.pop().map(|(_, newest)| newest);
            match newest {
                Some(newest) if newest.next_offset >= position => return newest,
                _ => assert!(Instant::now() < end, "no snapshot covers {position}: {newest:?}"),
            }
        }
    }
}

/// Writes records that must all be acknowledged.
pub(super) async fn send(writer: &Writer, records: Vec<OutRecord>) -> Vec<Placed> {
    let results = writer.send(records, PATIENCE).await;
    results.into_iter().map(|result| result.unwrap()).collect()
}

/// A rating that adds 2 to Big Bird and to Macho Man.
pub(super) fn rating(id: &str) -> OutRecord {
    let value = format!(
        r#"{{"id":"{id}","battle":"One vs Two","voice1":"Big Bird","voice2":"Macho Man","rating":2}}"#
    );
    OutRecord::new(id, value)
}

/// Waits until a view is as expected.
pub(super) async fn until(
    board: &mut watch::Receiver<Arc<BoardView>>,
    what: &str,
    mut expected: impl FnMut(&BoardView) -> bool,
) -> Arc<BoardView> {
    let end = Instant::now() + PATIENCE;
    loop {
        let view = board.borrow_and_update().clone();
        if expected(&view) {
            return view;
        }
        let left = end.saturating_duration_since(Instant::now());
        let changed = tokio::time::timeout(left, board.changed()).await;
        assert!(matches!(changed, Ok(Ok(()))), "never came: {what}; last view: {view:#?}");
    }
}

/// Waits until exactly `count` ratings, all made by [`rating`], are on the board.
pub(super) async fn until_counted(engine: &Engine, count: u64) -> Arc<BoardView> {
    let view = until(&mut engine.board(), &format!("{count} counted"), |view| {
        assert!(view.board.counted() <= count, "counted too much: {view:#?}");
        view.board.counted() == count
    })
    .await;
    assert_eq!(sum(&view, "Big Bird"), 2 * count);
    assert_eq!(view.alarm, None);
    view
}

/// The sum of a voice.
pub(super) fn sum(view: &BoardView, voice: &str) -> u64 {
    view.board.rows().iter().find(|row| row.voice.as_ref() == voice).map_or(0, |row| row.sum)
}
