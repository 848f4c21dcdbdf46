//! Transactions: the coordinator that makes writes to several partitions and groups one (KIP-98).
//!
//! ```text
//!  EndTxn ──► journal Prepare ──► markers into every partition ──► offsets of every group ──► journal Complete
//!                   │                                                                             │
//!                   └── from here on it is decided: after a crash or a failed write the rest ─────┘
//!                       is done again, which changes nothing where it was done before
//! ```
//!
//! A transactional id is busy while one of its changes is on its way; another request gets
//! `CONCURRENT_TRANSACTIONS` and comes again.

mod completion;
mod describe;
mod producer_ids;
mod transaction;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_protocol::ResponseError;
use serde_json::Value;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

pub(crate) use self::completion::{abort_unowned, end, init_producer, run_sweep};
pub(crate) use self::describe::Listing;
use self::producer_ids::ProducerIds;
use self::transaction::{End, Init};
pub(crate) use self::transaction::{Phase, Transaction};
use crate::journal::{Change, Journal, outcome};
use crate::limits::{TRANSACTION_PARTITIONS_ALL, TRANSACTIONAL_IDS};
use crate::store::Store;
use crate::time::now_ms;

/// Where the store keeps the transactional ids.
const PREFIX: &str = "transaction/";

/// The coordinator of all transactions. Clones share the same transactions.
#[derive(Debug, Clone)]
pub(crate) struct Transactions {
    registry: Arc<Mutex<Registry>>,
    journal: Journal,
    store: Arc<Store>,
}

#[derive(Debug)]
struct Registry {
    entries: HashMap<String, Entry>,
    /// Partitions and groups of all transactions.
    parts: usize,
    producer_ids: ProducerIds,
}

#[derive(Debug)]
struct Entry {
    /// `None` until the first value is in the store.
    transaction: Option<Transaction>,
    is_busy: bool,
    /// Batches and offsets of the transaction that are being written.
    writers: TaskTracker,
}

impl Entry {
    fn new(transaction: Option<Transaction>) -> Self {
        Self { transaction, is_busy: false, writers: TaskTracker::new() }
    }

    fn parts(&self) -> usize {
        self.transaction.as_ref().map_or(0, Transaction::parts)
    }
}

impl Transactions {
    /// Takes over what the store had. Must be called within a tokio runtime: it starts the task
    /// that writes the journal.
    pub(crate) fn open(store: Arc<Store>, stored: &BTreeMap<String, Value>) -> Self {
        let mut entries = HashMap::new();
        for (key, value) in stored {
            let Some(id) = key.strip_prefix(PREFIX) else { continue };
            match serde_json::from_value(value.clone()) {
                Ok(transaction) => {
                    entries.insert(id.to_owned(), Entry::new(Some(transaction)));
                }
                Err(error) => tracing::warn!(key, %error, "skipped a transaction of the journal"),
            }
        }
        let producer_ids = ProducerIds::load(stored.get(producer_ids::KEY));
        let parts = entries.values().map(Entry::parts).sum();
        Self {
            registry: Arc::new(Mutex::new(Registry { entries, parts, producer_ids })),
            journal: Journal::start(Arc::clone(&store)),
            store,
        }
    }

    /// Waits for the end of the task that writes the journal; see [`Journal::ended`].
    pub(crate) async fn journal_ended(&self) {
        self.journal.ended().await;
    }

    /// A producer id that nobody has had.
    pub(crate) async fn new_producer_id(&self) -> Result<i64, ResponseError> {
        loop {
            if let Some(id) = self.lock().producer_ids.take() {
                return Ok(id);
            }
            let place = self.journal.reserve().await?;
            let (block, written) = {
                // Enqueued under the lock: a lower number after a higher one would undo it.
                let mut registry = self.lock();
                let (block, change) = registry.producer_ids.reserve();
                (block, place.write(vec![change], |_| {}))
            };
            outcome(written).await?;
            // Not even a power cut may lose this: two producers with one id would take each
            // other's batches for repetitions. It happens once in a thousand ids.
            let store = Arc::clone(&self.store);
            let flushed = tokio::task::spawn_blocking(move || store.flush()).await;
            if let Err(error) = flushed.map_err(std::io::Error::other).flatten() {
                tracing::error!(%error, "the producer ids' journal was not flushed");
                return Err(ResponseError::CoordinatorNotAvailable);
            }
            self.lock().producer_ids.reserved(block);
        }
    }

    /// For Produce: whether the partition is part of the producer's ongoing transaction. The
    /// transaction does not end before the token is dropped, after the append.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_EPOCH` for a fenced producer, `INVALID_TXN_STATE` for a partition that was
    /// not added, `INVALID_PRODUCER_ID_MAPPING` for an unknown transactional id.
    pub(crate) fn verify(
        &self,
        transactional_id: &str,
        producer_id: i64,
        producer_epoch: i16,
        topic: &str,
        partition: i32,
    ) -> Result<TaskTrackerToken, ResponseError> {
        // The tuple is what the set is ordered by; Produce asks once per batch, not per record.
        let key = (topic.to_owned(), partition);
        self.verify_part(transactional_id, (producer_id, producer_epoch), |transaction| {
            transaction.partitions.contains(&key)
        })
    }

    /// For `TxnOffsetCommit`: whether the group is part of the producer's ongoing transaction. It
    /// does not end before the token is dropped, once the offsets are written: those that came
    /// after the end would become part of the producer's next transaction.
    pub(crate) fn verify_group(
        &self,
        transactional_id: &str,
        producer: (i64, i16),
        group: &str,
    ) -> Result<TaskTrackerToken, ResponseError> {
        self.verify_part(transactional_id, producer, |it| it.groups.contains(group))
    }

    fn verify_part(
        &self,
        transactional_id: &str,
        producer: (i64, i16),
        is_part: impl FnOnce(&Transaction) -> bool,
    ) -> Result<TaskTrackerToken, ResponseError> {
        const UNKNOWN: ResponseError = ResponseError::InvalidProducerIdMapping;
        let registry = self.lock();
        let entry = registry.entries.get(transactional_id).ok_or(UNKNOWN)?;
        let transaction = entry.transaction.as_ref().ok_or(UNKNOWN)?;
        transaction.check_producer(producer).map_err(|error| match error {
            ResponseError::ProducerFenced => ResponseError::InvalidProducerEpoch,
            other => other,
        })?;
        if transaction.phase == Phase::Ongoing && is_part(transaction) {
            Ok(entry.writers.token())
        } else {
            Err(ResponseError::InvalidTxnState)
        }
    }

    /// `AddPartitionsToTxn` and `AddOffsetsToTxn`.
    pub(crate) async fn add(
        &self,
        id: &str,
        producer: (i64, i16),
        partitions: &[(String, i32)],
        group: Option<&str>,
    ) -> Result<(), ResponseError> {
        self.change(id, |present| {
            let present = present.ok_or(ResponseError::InvalidProducerIdMapping)?;
            present.add(producer, partitions, group, now_ms())
        })
        .await
    }

    /// Journals the next value of a transactional id. `decide` gets the present one and says what
    /// comes next; with `None` nothing changes.
    async fn change(
        &self,
        id: &str,
        decide: impl FnOnce(Option<&Transaction>) -> Result<Option<Transaction>, ResponseError>,
    ) -> Result<(), ResponseError> {
        let place = self.journal.reserve().await?;
        let written = {
            let mut registry = self.lock();
            let present = registry.entries.get(id);
            if present.is_some_and(|entry| entry.is_busy) {
                return Err(ResponseError::ConcurrentTransactions);
            }
            let is_new = present.is_none();
            let had = present.map_or(0, Entry::parts);
            let present = present.and_then(|entry| entry.transaction.as_ref());
            let Some(next) = decide(present)? else { return Ok(()) };
            let parts = registry.parts - had + next.parts();
            let too_many = is_new && registry.entries.len() >= TRANSACTIONAL_IDS;
            // What became too much otherwise must still be able to end.
            let too_large = next.parts() > had && parts > TRANSACTION_PARTITIONS_ALL;
            if too_many || too_large {
                return Err(ResponseError::PolicyViolation);
            }
            let change = put(id, &next);
            let entry = registry.entries.entry(id.to_owned());
            entry.or_insert_with(|| Entry::new(None)).is_busy = true;
            let (shared, id) = (Arc::clone(&self.registry), id.to_owned());
            place.write(vec![change], move |written| {
                lock(&shared).settle(&id, written.ok().map(|()| next));
            })
        };
        outcome(written).await
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }
}

impl Registry {
    /// A change of a transactional id has come to its end, with a new value if it went well.
    fn settle(&mut self, id: &str, next: Option<Transaction>) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.is_busy = false;
        if next.is_some() {
            self.parts -= entry.parts();
            entry.transaction = next;
            self.parts += entry.parts();
        } else if entry.transaction.is_none() {
            self.entries.remove(id);
        }
    }
}

fn put(id: &str, transaction: &Transaction) -> Change {
    // A plain struct with string keys always has a JSON form.
    (format!("{PREFIX}{id}"), Some(serde_json::to_value(transaction).unwrap_or_default()))
}

/// Every change under the lock is one assignment, so a panic leaves nothing half done.
fn lock(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The wire's code of an error. Older clients know a fenced producer by its epoch only.
pub(crate) fn fenced_code(error: ResponseError, knows_fenced: bool) -> i16 {
    match error {
        ResponseError::ProducerFenced if !knows_fenced => {
            ResponseError::InvalidProducerEpoch.code()
        }
        other => other.code(),
    }
}
