//! Stranger: a program that writes to the ratings topic and knows nothing of erboh's rules.
//!
//! It brings copies of ratings, and records that are none. What it writes of the latter begins its
//! keys with `malformed-`, so that the recount need not judge what a rating is.

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
use crate::ratings::ledger::Place;
use crate::ratings::rating::Ratings;

/// How long what was written may wait for a broker.
const FLUSH_WAIT: Duration = Duration::from_secs(30);
/// How long to wait for room in the client.
const ROOM_WAIT: Duration = Duration::from_millis(5);
/// The largest of the malformed records, in bytes; topics take a million by default.
const HUGE_BYTES: usize = 700_000;

/// A program that writes what it likes.
pub(super) struct Stranger {
    client: ThreadedProducer<DefaultProducerContext>,
    written: u64,
}

impl Stranger {
    /// A stranger to the cluster behind these addresses.
    pub(super) fn connect(bootstrap: &str) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("acks", "all");
        config.set("enable.idempotence", "true").set("compression.type", "lz4");
        config.set_log_level(RDKafkaLogLevel::Emerg);
        Ok(Self { client: config.create().context("the stranger's Kafka client")?, written: 0 })
    }

    /// Writes copies of ratings next to where they stand.
    pub(super) fn copy(&self, ratings: Ratings, copies: &[(u64, Place)]) -> anyhow::Result<()> {
        for (number, place) in copies {
            let (key, value) = (ratings.id(*number).to_string(), ratings.json(*number));
            self.write(place.partition, Some(key.as_bytes()), Some(value.as_bytes()))?;
        }
        self.flush()
    }

    /// Writes `count` records that are no ratings, of every sort, to any partition.
    pub(super) fn litter(&mut self, random: &mut Random, count: usize) -> anyhow::Result<()> {
        for _ in 0..count {
            self.written += 1;
            let key = format!("{MALFORMED}{}", self.written);
            let partition = random.place(PARTITIONS as usize) as i32;
            let value = litter(random, self.written);
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
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    std::thread::sleep(ROOM_WAIT);
                }
                Err((error, _)) => return Err(error).context("a stranger's record"),
            }
        }
    }

    fn flush(&self) -> anyhow::Result<()> {
        self.client.flush(FLUSH_WAIT).context("the brokers do not take a stranger's records")
    }
}

/// A value that is no rating; none is a tombstone.
fn litter(random: &mut Random, number: u64) -> Option<Vec<u8>> {
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
            // Huge now and then only, because most of it would be waiting for the network.
            let bytes = if random.within(0..=9) == 0 { HUGE_BYTES } else { 5_000 };
            rating(&format!(r#""voice1":"A","voice2":"B","rating":"{}""#, "9".repeat(bytes)))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn litter_is_never_a_rating() {
        let mut random = Random::new(1);
        for number in 0..500 {
            if let Some(value) = litter(&mut random, number) {
                let text = String::from_utf8_lossy(&value);
                assert!(erboh::rating::Rating::parse(&value).is_err(), "{text:.300}");
            }
        }
    }
}
