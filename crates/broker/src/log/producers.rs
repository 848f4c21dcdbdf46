//! What a log knows of its idempotent and transactional producers (KIP-98).
//!
//! ```text
//!  batch ──► check: fenced? duplicate of the last 5? in sequence? ──► written ──► note
//!  marker ─► end: the transaction leaves `open`; an aborted one enters `aborted`
//! ```
//!
//! The last stable offset is where the first open transaction begins: readers of committed data stop
//! there, and skip what `aborted` lists before it.

use super::aborted::{Aborted, AbortedList};
use super::batch::{Batch, Header, TRANSACTIONAL};
use super::error::AppendError;
use super::record::{Marker, marker_of};
use crate::limits::{PRODUCER_BATCHES, PRODUCER_EXPIRATION_MS, PRODUCERS_PER_PARTITION_MAX};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A batch as its producer knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) base_sequence: i32,
    pub(super) last_sequence: i32,
    pub(super) base_offset: i64,
    /// -1 when the topic keeps the producer's timestamps.
    pub(super) log_append_time_ms: i64,
}

/// One producer id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Producer {
    pub(super) epoch: i16,
    /// Newest last. Empty after a marker raised the epoch: the next sequence is 0.
    pub(super) batches: VecDeque<Remembered>,
    /// When it last wrote, by the broker's clock.
    pub(super) last_write_ms: i64,
    /// The first offset of its open transaction.
    pub(super) open_since: Option<i64>,
}

/// A producer as others may see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActiveProducer {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    /// The sequence of its newest record; -1 when none of this epoch is remembered.
    pub(crate) last_sequence: i32,
    /// Milliseconds since 1970, by the broker's clock.
    pub(crate) last_write_ms: i64,
    /// The first offset of its open transaction.
    pub(crate) open_since: Option<i64>,
}

/// All producers of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Producers {
    pub(super) known: HashMap<i64, Producer>,
    /// Open transactions: first offset and producer id.
    open: BTreeMap<i64, i64>,
    pub(super) aborted: AbortedList,
}

impl Producers {
    /// Whether a client's batch may be appended; `Some` when it was already.
    pub(super) fn check(&self, header: &Header) -> Result<Option<Remembered>, AppendError> {
        let producer_id = header.producer_id;
        let Some(producer) = self.known.get(&producer_id) else {
            // As in Kafka: whoever is unknown (its records may have been deleted since) starts anywhere.
            return Ok(None);
        };
        if header.producer_epoch < producer.epoch {
            let (epoch, current) = (header.producer_epoch, producer.epoch);
            return Err(AppendError::InvalidProducerEpoch { producer_id, epoch, current });
        }
        let expected = if header.producer_epoch > producer.epoch {
            0
        } else {
            let (first, last) = (header.base_sequence, header.last_sequence());
            let same = |it: &&Remembered| it.base_sequence == first && it.last_sequence == last;
            if let Some(duplicate) = producer.batches.iter().find(same) {
                return Ok(Some(*duplicate));
            }
            producer.batches.back().map_or(0, |it| it.last_sequence.checked_add(1).unwrap_or(0))
        };
        if header.base_sequence != expected {
            let sequence = header.base_sequence;
            return Err(AppendError::OutOfOrderSequence { producer_id, sequence, expected });
        }
        if producer.open_since.is_some() && !header.is_transactional() {
            return Err(AppendError::InvalidTransactionState(producer_id));
        }
        Ok(None)
    }

    /// Notes a data batch of a producer that was written (its header as stored).
    pub(super) fn note(&mut self, header: &Header, now_ms: i64) {
        let producer = self.known.entry(header.producer_id).or_insert_with(|| Producer {
            epoch: header.producer_epoch,
            batches: VecDeque::new(),
            last_write_ms: now_ms,
            open_since: None,
        });
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == PRODUCER_BATCHES {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Remembered {
            base_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
            log_append_time_ms: if header.is_log_append_time() {
                header.max_timestamp_ms
            } else {
                -1
            },
        });
        producer.last_write_ms = now_ms;
        if header.is_transactional() && producer.open_since.is_none() {
            producer.open_since = Some(header.base_offset);
            self.open.insert(header.base_offset, header.producer_id);
        }
        if self.known.len() > PRODUCERS_PER_PARTITION_MAX {
            self.forget_idlest();
        }
    }

    /// Whether a marker of this producer would end anything.
    pub(super) fn has_open(&self, producer_id: i64) -> bool {
        self.known.get(&producer_id).is_some_and(|it| it.open_since.is_some())
    }

    /// Whether a marker's epoch is that of a fenced instance.
    pub(super) fn check_marker(&self, producer_id: i64, epoch: i16) -> Result<(), AppendError> {
        match self.known.get(&producer_id) {
            Some(it) if epoch < it.epoch => {
                let current = it.epoch;
                Err(AppendError::InvalidProducerEpoch { producer_id, epoch, current })
            }
            _ => Ok(()),
        }
    }

    /// Notes a marker that was written.
    pub(super) fn end(&mut self, header: &Header, marker: Marker, now_ms: i64) {
        let Some(producer) = self.known.get_mut(&header.producer_id) else { return };
        producer.last_write_ms = now_ms;
        if header.producer_epoch > producer.epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        let Some(first_offset) = producer.open_since.take() else { return };
        self.open.remove(&first_offset);
        if marker == Marker::Abort {
            self.aborted.push(Aborted {
                producer_id: header.producer_id,
                first_offset,
                last_offset: header.base_offset,
                stable_after: self.first_open().unwrap_or(header.next_offset()),
            });
        }
    }

    /// Notes any batch that is found in the log, as `note` and `end` did when it was written. Before
    /// `decided_before` every transaction is over, though its marker may be gone.
    pub(super) fn replay(&mut self, batch: &Batch, decided_before: i64, now_ms: i64) {
        if batch.header.is_control() {
            if let Some(marker) = marker_of(batch) {
                self.end(&batch.header, marker, now_ms);
            }
        } else if batch.header.has_producer() {
            let mut header = batch.header;
            if header.base_offset < decided_before {
                header.attributes &= !TRANSACTIONAL;
            }
            self.note(&header, now_ms);
        }
    }

    /// Where the first open transaction begins.
    pub(super) fn first_open(&self) -> Option<i64> {
        self.open.keys().next().copied()
    }

    /// Producers with an open transaction, and their epochs.
    pub(super) fn with_open(&self) -> Vec<(i64, i16)> {
        let open = self.known.iter().filter(|(_, it)| it.open_since.is_some());
        open.map(|(id, it)| (*id, it.epoch)).collect()
    }

    /// All that are remembered, by their ids.
    pub(super) fn active(&self) -> Vec<ActiveProducer> {
        let producers = self.known.iter().map(|(id, it)| ActiveProducer {
            producer_id: *id,
            epoch: it.epoch,
            last_sequence: it.batches.back().map_or(-1, |batch| batch.last_sequence),
            last_write_ms: it.last_write_ms,
            open_since: it.open_since,
        });
        let mut producers: Vec<_> = producers.collect();
        producers.sort_unstable_by_key(|it| it.producer_id);
        producers
    }

    /// Puts a producer of a snapshot in.
    pub(super) fn restore(&mut self, producer_id: i64, producer: Producer) {
        if let Some(first_offset) = producer.open_since {
            self.open.insert(first_offset, producer_id);
        }
        self.known.insert(producer_id, producer);
    }

    /// Forgets producers that have not written for a day and have no open transaction.
    pub(super) fn expire(&mut self, now_ms: i64) {
        let oldest_ms = now_ms - PRODUCER_EXPIRATION_MS;
        self.known.retain(|_, it| it.open_since.is_some() || it.last_write_ms > oldest_ms);
    }

    /// Forgets the idlest tenth, so that the search for them is rare.
    fn forget_idlest(&mut self) {
        let mut idle: Vec<(i64, i64)> = self
            .known
            .iter()
            .filter(|(_, it)| it.open_since.is_none())
            .map(|(id, it)| (it.last_write_ms, *id))
            .collect();
        idle.sort_unstable();
        for (_, id) in idle.iter().take(PRODUCERS_PER_PARTITION_MAX / 10) {
            self.known.remove(id);
        }
    }
}
