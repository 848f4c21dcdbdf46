//! The embedded broker in this process, with its data in a directory that goes with it.

use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use erboh::producer::{Producer, router};
use erboh::queue::{Admin, KafkaSettings, Reader, Topics};
use erboh_testbed::Link;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::producer;

/// Partitions of the topics of erboh.
pub(crate) const PARTITIONS: i32 = 3;

/// A broker on an address that stays the same for as long as it exists.
pub(crate) struct Broker {
    /// How clients reach it.
    pub(crate) kafka: KafkaSettings,
    listens: SocketAddr,
    advertised_port: u16,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
    data: tempfile::TempDir,
}

impl Broker {
    /// Starts one with the topics of erboh.
    pub(crate) async fn start() -> Self {
        let broker = Self::empty().await;
        broker.make_topics().await;
        broker
    }

    /// Starts one without topics.
    pub(crate) async fn empty() -> Self {
        let listens = free_address();
        Self::open(listens, listens).await
    }

    /// Starts one with the topics of erboh, to which every client comes over the link, since that
    /// is the address that the broker gives.
    pub(crate) async fn behind_link() -> (Self, Link) {
        let listens = free_address();
        let link = Link::start(listens).expect("a link");
        let broker = Self::open(listens, link.address()).await;
        broker.make_topics().await;
        (broker, link)
    }

    async fn open(listens: SocketAddr, advertised: SocketAddr) -> Self {
        let mut broker = Self {
            kafka: KafkaSettings::new(advertised.to_string()),
            listens,
            advertised_port: advertised.port(),
            stop: CancellationToken::new(),
            serving: None,
            data: tempfile::tempdir().expect("a directory"),
        };
        broker.serve().await;
        broker
    }

    async fn make_topics(&self) {
        let admin = Admin::connect(&self.kafka).expect("settings that the client takes");
        admin.ensure_topics(&Topics::default(), PARTITIONS, -1).await.expect("topics");
    }

    /// Serves again after [`Broker::halt`].
    pub(crate) async fn serve(&mut self) {
        let listener = TcpListener::bind(self.listens).await.expect("the port");
        let settings = erboh_broker::Settings {
            data_dir: self.data.path().to_owned(),
            advertised_port: Some(self.advertised_port),
            auto_create_topics: false,
            group_initial_rebalance_delay_ms: 0,
            ..erboh_broker::Settings::default()
        };
        self.stop = CancellationToken::new();
        let serving = erboh_broker::serve(listener, settings, self.stop.clone());
        let serving = async move { serving.await.expect("the broker closes its data") };
        self.serving = Some(tokio::spawn(serving));
    }

    /// Ends it in order; its data and its port stay.
    pub(crate) async fn halt(&mut self) {
        self.stop.cancel();
        self.serving.take().expect("it serves").await.expect("the broker's task");
    }

    /// Ends it in order.
    pub(crate) async fn close(mut self) {
        self.halt().await;
    }

    /// The directory of its data.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    pub(crate) fn producer(&self) -> Router {
        router(self.role())
    }

    pub(crate) fn role(&self) -> Producer {
        producer::on(&self.kafka, producer::settings())
    }

    /// Key and value of the rating at a place.
    pub(crate) async fn record(&self, partition: i32, offset: i64) -> (String, Value) {
        let one = move |_: &Reader, of| (of == partition).then_some((offset, offset + 1));
        self.read(one).await.pop().expect("the record is there")
    }

    /// The values of all ratings, in no order.
    pub(crate) async fn values(&self) -> Vec<Value> {
        let all = |reader: &Reader, partition| {
            Some(reader.watermarks(&Topics::default().ratings, partition).expect("its ends"))
        };
        self.read(all).await.into_iter().map(|(_, value)| value).collect()
    }

    /// Keys and values of the ratings in these ranges of the partitions.
    async fn read(
        &self,
        range: impl Fn(&Reader, i32) -> Option<(i64, i64)> + Send + 'static,
    ) -> Vec<(String, Value)> {
        let kafka = self.kafka.clone();
        let reading = move || {
            let reader = Reader::connect(&kafka, "reads-back").expect("a reader");
            let mut found = Vec::new();
            for partition in 0..PARTITIONS {
                let Some(range) = range(&reader, partition) else { continue };
                let each = |record: &erboh::queue::Record<'_>| {
                    let key = String::from_utf8(record.key().expect("a key").to_vec());
                    let value = serde_json::from_slice(record.value().expect("a value"));
                    found.push((key.expect("text"), value.expect("JSON")));
                };
                let topic = Topics::default().ratings;
                reader.range(&topic, partition, range, each).expect("records can be read");
            }
            found
        };
        tokio::task::spawn_blocking(reading).await.expect("the reading thread")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// One that the system gives to nobody else while its broker is halted.
fn free_address() -> SocketAddr {
    let port = erboh_testbed::free_ports(1).expect("a port")[0];
    SocketAddr::from(([127, 0, 0, 1], port))
}
