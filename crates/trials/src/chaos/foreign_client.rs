//! A foreign client: a Kafka producer that writes to the ratings topic without erboh's rules.
//!
//! It writes copies of ratings and malformed records. The keys of the latter begin with
//! `malformed-`, so that the recount can tell them from ratings.

use std::time::Duration;

use anyhow::Context as _;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};

use super::fault::PARTITIONS;
use super::observer::RATINGS;
use super::random::Random;
use super::recount::MALFORMED;
use crate::ratings::ledger::RecordLocation;
use crate::ratings::rating::Ratings;

/// Timeout of a flush.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause while the client's queue is full.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(5);
/// Size of the largest malformed record in bytes; `max.message.bytes` is about a million by
/// default.
const HUGE_BYTES: usize = 700_000;

/// A Kafka producer that writes arbitrary records.
pub(super) struct ForeignClient {
    client: ThreadedProducer<DefaultProducerContext>,
    written: u64,
}

impl ForeignClient {
    /// Connects to the cluster.
    pub(super) fn connect(bootstrap: &str) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("acks", "all");
        config.set("enable.idempotence", "true").set("compression.type", "lz4");
        config.set_log_level(RDKafkaLogLevel::Emerg);
        Ok(Self {
            client: config.create().context("the Kafka client of the foreign client")?,
            written: 0,
        })
    }

    /// Writes copies of ratings to the partitions of the originals.
    pub(super) fn copy(
        &self,
        ratings: Ratings,
        copies: &[(u64, RecordLocation)],
    ) -> anyhow::Result<()> {
        for (number, location) in copies {
            let (key, value) = (ratings.id(*number).to_string(), ratings.json(*number));
            self.write(location.partition, Some(key.as_bytes()), Some(value.as_bytes()))?;
        }
        self.flush()
    }

    /// Writes `count` malformed records of random kinds to random partitions.
    pub(super) fn write_malformed(
        &mut self,
        random: &mut Random,
        count: usize,
    ) -> anyhow::Result<()> {
        for _ in 0..count {
            self.written += 1;
            let key = format!("{MALFORMED}{}", self.written);
            let partition = random.index(PARTITIONS as usize) as i32;
            let value = malformed_value(random, self.written);
            self.write(partition, Some(key.as_bytes()), value.as_deref())?;
        }
        self.flush()
    }

    fn write(
        &self,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> anyhow::Result<()> {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(RATINGS).partition(partition);
        record.key = key;
        record.payload = value;
        loop {
            match self.client.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), rejected)) => {
                    record = rejected;
                    std::thread::sleep(QUEUE_FULL_PAUSE);
                }
                Err((error, _)) => return Err(error).context("a record of the foreign client"),
            }
        }
    }

    fn flush(&self) -> anyhow::Result<()> {
        self.client.flush(FLUSH_TIMEOUT).context("flushing the records of the foreign client")
    }
}

/// A value that is not a rating; `None` is a tombstone.
fn malformed_value(random: &mut Random, number: u64) -> Option<Vec<u8>> {
    let id = Ratings::new(number).id(number);
    let rating = |rest: &str| format!(r#"{{"id":"{id}","battle":"A vs B",{rest}}}"#).into_bytes();
    Some(match random.within(0..=12) {
        0 => return None,
        1 => Vec::new(),
        2 => (0..random.within(1..=300)).map(|_| random.next() as u8 | 0x80).collect(),
        3 => rating(r#""voice1":"A","voice2":"B","rating":3"#),
        4 => rating(r#""voice1":"A","voice2":"A","rating":1"#),
        5 => rating(r#""voice1":"A","rating":1"#),
        6 => rating(r#""voice1":"A","voice2":["B"],"rating":1"#),
        7 => rating(&format!(r#""voice1":"{}","voice2":"B","rating":1"#, "x".repeat(101))),
        8 => rating(r#""voice1":"A","voice2":"B","rating":1,"rating":2"#),
        9 => "[".repeat(10_000).into_bytes(),
        10 => br#"{"battle":"A vs B","voice1":"A","voice2":"B","rating":1}"#.to_vec(),
        11 => b"A vs B|A|B|9".to_vec(),
        _ => {
            // Rarely huge, or most records would wait for the network.
            let bytes = if random.within(0..=9) == 0 { HUGE_BYTES } else { 5_000 };
            rating(&format!(r#""voice1":"A","voice2":"B","rating":"{}""#, "9".repeat(bytes)))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_values_are_not_ratings() {
        let mut random = Random::new(1);
        for number in 0..500 {
            if let Some(value) = malformed_value(&mut random, number) {
                let text = String::from_utf8_lossy(&value);
                assert!(erboh::rating::Rating::parse(&value).is_err(), "{text:.300}");
            }
        }
    }
}
