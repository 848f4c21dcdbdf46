//! Foreign: a transactional producer of somebody else, who writes ratings.

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio::task::block_in_place;
use uuid::Uuid;

use super::bench::{Bench, PATIENCE, rating};

/// After this long the broker ends a transaction that is still open.
const TIMEOUT_MS: u64 = 6_000;

/// A producer with an open transaction.
pub(super) struct Foreign {
    producer: BaseProducer,
    topic: String,
}

impl Foreign {
    /// Begins a transaction.
    pub(super) fn begin(bench: &Bench) -> Self {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &bench.kafka.brokers)
            .set("transactional.id", Uuid::now_v7().to_string())
            .set("transaction.timeout.ms", TIMEOUT_MS.to_string())
            .create()
            .unwrap();
        let foreign = Self { producer, topic: bench.settings.topics.ratings.clone() };
        block_in_place(|| foreign.producer.init_transactions(PATIENCE)).unwrap();
        foreign.begin_again();
        foreign
    }

    /// Begins another transaction, after one that has ended.
    pub(super) fn begin_again(&self) {
        self.producer.begin_transaction().unwrap();
    }

    /// Writes a rating to a partition; it stands in the log when this returns.
    pub(super) fn write(&self, partition: i32) {
        let record = rating(&Uuid::now_v7().to_string());
        let (key, value) = (record.key.unwrap(), record.value.unwrap());
        let record = BaseRecord::to(&self.topic).partition(partition).key(&key).payload(&value);
        self.producer.send(record).unwrap();
        block_in_place(|| self.producer.flush(PATIENCE)).unwrap();
    }

    pub(super) fn commit(&self) {
        block_in_place(|| self.producer.commit_transaction(PATIENCE)).unwrap();
    }

    pub(super) fn abort(&self) {
        block_in_place(|| self.producer.abort_transaction(PATIENCE)).unwrap();
    }
}
