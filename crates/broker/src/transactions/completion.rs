//! Completion: what follows once the end of a transaction is decided, and what happens to
//! transactions when nobody says anything.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

use super::{End, Init, PREFIX, Phase, Transaction, Transactions, put};
use crate::broker::Broker;
use crate::journal::outcome;
use crate::limits::TRANSACTION_SWEEP;
use crate::partition::{AppendError, Marker};
use crate::time::now_ms;

/// `InitProducerId` with a transactional id: the id and epoch under which the caller works from
/// now on. Whoever had the transactional id before is fenced, and what it had begun is aborted.
///
/// # Errors
/// `PRODUCER_FENCED`, `CONCURRENT_TRANSACTIONS` (come again), or that the journal failed.
pub(crate) async fn init_producer(
    broker: &Arc<Broker>,
    id: &str,
    mut held: Option<(i64, i16)>,
    timeout_ms: i32,
) -> Result<(i64, i16), ResponseError> {
    let transactions = &broker.transactions;
    let mut fresh_id = None;
    loop {
        let mut step = Step::TakeId;
        transactions
            .change(id, |present| {
                let (next, then) = init(present, held, fresh_id, timeout_ms)?;
                step = then;
                Ok(next)
            })
            .await?;
        match step {
            Step::TakeId => fresh_id = Some(transactions.new_producer_id().await?),
            Step::Complete => {
                complete(broker, id).await?;
                // What the caller had is fenced together with its transaction, but the caller has
                // shown that it was the newest.
                held = None;
            }
            Step::Answer(producer_id, epoch) => return Ok((producer_id, epoch)),
        }
    }
}

/// What `init_producer` does after a change.
enum Step {
    TakeId,
    Complete,
    Answer(i64, i16),
}

fn init(
    present: Option<&Transaction>,
    held: Option<(i64, i16)>,
    fresh_id: Option<i64>,
    timeout_ms: i32,
) -> Result<(Option<Transaction>, Step), ResponseError> {
    let now_ms = now_ms();
    let answer = |it: &Transaction| Step::Answer(it.producer_id, it.producer_epoch);
    let next = match present {
        None => fresh_id.map(|it| Transaction::first(it, timeout_ms, now_ms)),
        Some(present) => match present.init(held, timeout_ms, now_ms)? {
            Init::Repeat => return Ok((None, answer(present))),
            Init::Abort(next) => return Ok((Some(next), Step::Complete)),
            Init::Next(next) => Some(next),
            Init::NewProducerId => {
                fresh_id.map(|it| present.with_new_producer_id(it, held, timeout_ms, now_ms))
            }
        },
    };
    let step = next.as_ref().map_or(Step::TakeId, answer);
    Ok((next, step))
}

/// `EndTxn`: answers once every marker is written.
pub(crate) async fn end(
    broker: &Arc<Broker>,
    id: &str,
    producer: (i64, i16),
    is_commit: bool,
) -> Result<(), ResponseError> {
    let mut is_done = false;
    let decide = |present: Option<&Transaction>| {
        let present = present.ok_or(ResponseError::InvalidProducerIdMapping)?;
        Ok(match present.end(producer, is_commit, now_ms())? {
            End::Prepare(next) => Some(next),
            End::Repeat => {
                is_done = true;
                None
            }
        })
    };
    broker.transactions.change(id, decide).await?;
    if is_done { Ok(()) } else { complete(broker, id).await }
}

/// Carries a decided end through. The work goes on if the caller goes away.
async fn complete(broker: &Arc<Broker>, id: &str) -> Result<(), ResponseError> {
    let Some((transaction, writers)) = broker.transactions.begin_completion(id) else {
        // The sweep was faster. The client comes again and finds it done.
        return Err(ResponseError::ConcurrentTransactions);
    };
    let (broker, id) = (Arc::clone(broker), id.to_owned());
    let work = tokio::spawn(async move {
        // A batch that was let in before the end was decided must not come after the marker: it
        // would open a transaction that nobody ends.
        writers.close();
        writers.wait().await;
        writers.reopen();
        let settled = settle(&broker, &id, &transaction).await;
        if let Err(error) = settled {
            tracing::error!(id, %error, "a transaction is not complete yet, it will be tried again");
            broker.transactions.lock().settle(&id, None);
        }
        settled
    });
    work.await.unwrap_or(Err(ResponseError::CoordinatorNotAvailable))
}

async fn settle(broker: &Broker, id: &str, prepared: &Transaction) -> Result<(), ResponseError> {
    let is_commit = prepared.phase == Phase::PrepareCommit;
    let marker = if is_commit { Marker::Commit } else { Marker::Abort };
    let producer = (prepared.producer_id, prepared.producer_epoch);
    for (topic, index) in &prepared.partitions {
        // A partition that was deleted meanwhile has nothing to mark.
        let Some(partition) = broker.topics.partition(topic, *index) else { continue };
        let written = partition.append_marker(producer.0, producer.1, marker, now_ms()).await;
        match written {
            Ok(()) => {}
            // Someone wrote there under this producer id with a later epoch, which ended whatever
            // this one had begun.
            Err(AppendError::InvalidProducerEpoch { .. }) => {
                tracing::warn!(id, topic, index, "the partition knows a newer producer");
            }
            Err(error) => {
                tracing::error!(id, topic, index, %error, "a transaction marker was not written");
                // Not the code of the partition's error: the client is to come again.
                return Err(ResponseError::ConcurrentTransactions);
            }
        }
    }
    broker.groups.end_transaction(producer, is_commit).await?;
    broker.transactions.finish_completion(id, prepared.completed(now_ms())).await
}

/// Aborts transactions in partitions that no transactional id owns, before anyone is served: after
/// a power cut the partition may have more than the coordinator's journal, and readers of committed
/// data would wait for their end for ever.
pub(crate) async fn abort_unowned(broker: &Broker) {
    for topic in broker.topics.all() {
        for (index, partition) in topic.partitions().iter().enumerate() {
            for (producer_id, epoch) in partition.open_transactions() {
                let key = (topic.name.clone(), index as i32);
                let is_owner = |it: &Transaction| {
                    it.producer_id == producer_id && it.partitions.contains(&key)
                };
                if !broker.transactions.select(is_owner).is_empty() {
                    continue;
                }
                tracing::warn!(topic = topic.name, index, producer_id, "aborting what nobody owns");
                let abort = partition.append_marker(producer_id, epoch, Marker::Abort, now_ms());
                if let Err(error) = abort.await {
                    tracing::error!(topic = topic.name, index, %error, "it was not aborted");
                }
            }
        }
    }
}

/// Aborts what takes too long, completes what was left, forgets what is idle, until the broker
/// stops.
pub(crate) async fn run_sweep(broker: Arc<Broker>) {
    let mut ticks = tokio::time::interval(TRANSACTION_SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = broker.stop.cancelled() => return,
            _ = ticks.tick() => sweep(&broker, now_ms()).await,
        }
    }
}

pub(super) async fn sweep(broker: &Arc<Broker>, now_ms: i64) {
    let transactions = &broker.transactions;
    for id in transactions.select(|transaction| transaction.is_timed_out(now_ms)) {
        let abort = |present: Option<&Transaction>| {
            let is_late = |present: &&Transaction| present.is_timed_out(now_ms);
            Ok(present.filter(is_late).map(|present| present.abort_fenced(now_ms)))
        };
        tracing::info!(id, "a transaction timed out and is aborted");
        if let Err(error) = transactions.change(&id, abort).await {
            tracing::debug!(id, %error, "the transaction is busy; the next sweep looks again");
        }
    }
    for id in transactions.select(Transaction::is_prepared) {
        if let Err(error) = complete(broker, &id).await {
            tracing::debug!(id, %error, "the transaction is not complete; the next sweep tries again");
        }
    }
    drop_orphans(broker).await;
    transactions.forget_idle(now_ms).await;
}

/// Pending offsets that came after their transaction was over (it timed out while they were on
/// their way) must not stay unstable for ever.
async fn drop_orphans(broker: &Broker) {
    for producer in broker.groups.pending_producers() {
        let is_owner = |it: &Transaction| {
            it.producer_id == producer.0 && (it.phase == Phase::Ongoing || it.is_prepared())
        };
        let is_orphan = || broker.transactions.select(is_owner).is_empty();
        if let Err(error) = broker.groups.drop_pending(producer, is_orphan).await {
            tracing::warn!(?producer, %error, "orphaned pending offsets were not dropped");
        }
    }
}

impl Transactions {
    /// Ids of those that are not busy and match.
    pub(super) fn select(&self, matches: impl Fn(&Transaction) -> bool) -> Vec<String> {
        let registry = self.lock();
        let found = registry
            .entries
            .iter()
            .filter(|(_, entry)| entry.transaction.as_ref().is_some_and(&matches));
        found.map(|(id, _)| id.clone()).collect()
    }

    /// Makes a prepared transaction busy for the time of its completion. Two at once could mark
    /// the producer's next transaction with the end of this one.
    fn begin_completion(&self, id: &str) -> Option<(Transaction, TaskTracker)> {
        let mut registry = self.lock();
        let entry = registry.entries.get_mut(id)?;
        let prepared = entry.transaction.clone().filter(Transaction::is_prepared)?;
        let was_busy = std::mem::replace(&mut entry.is_busy, true);
        (!was_busy).then(|| (prepared, entry.writers.clone()))
    }

    async fn finish_completion(&self, id: &str, done: Transaction) -> Result<(), ResponseError> {
        let place = self.journal.reserve().await?;
        let (shared, owned_id) = (Arc::clone(&self.registry), id.to_owned());
        let change = put(id, &done);
        let written = place.write(vec![change], move |written| {
            if written.is_ok() {
                super::lock(&shared).settle(&owned_id, Some(done));
            }
        });
        outcome(written).await
    }

    async fn forget_idle(&self, now_ms: i64) {
        for id in self.select(|transaction| transaction.is_idle(now_ms)) {
            let Ok(place) = self.journal.reserve().await else { return };
            let written = {
                let mut registry = self.lock();
                let is_idle = |it: &Transaction| it.is_idle(now_ms);
                let entry = registry.entries.get_mut(&id);
                let Some(entry) = entry.filter(|entry| {
                    !entry.is_busy && entry.transaction.as_ref().is_some_and(is_idle)
                }) else {
                    continue;
                };
                entry.is_busy = true;
                let (shared, id) = (Arc::clone(&self.registry), id.clone());
                place.write(vec![(format!("{PREFIX}{id}"), None)], move |written| {
                    let mut registry = super::lock(&shared);
                    match written {
                        Ok(()) => drop(registry.entries.remove(&id)),
                        Err(_) => registry.settle(&id, None),
                    }
                })
            };
            if let Err(error) = outcome(written).await {
                tracing::warn!(id, %error, "an idle transactional id was not forgotten");
            }
        }
    }
}
