//! The coordinator with a broker's data directory: crashes, time-outs, zombies.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::ResponseError;
use tempfile::TempDir;

use super::completion::sweep;
use super::{End, Transaction, abort_unowned, end, init_producer};
use crate::broker::Broker;
use crate::groups::{Claim, Committed, OffsetKey};
use crate::limits::{TRANSACTION_PARTITIONS, TRANSACTION_PARTITIONS_ALL};
use crate::log::record::Writer;
use crate::log::testing::{NOW_MS, by, read_from};
use crate::partition::{Isolation, Partition};
use crate::settings::Settings;
use crate::time::now_ms;

const NOBODY: Claim<'_> = Claim { member_id: "", instance_id: None, generation: -1 };
const MINUTE_MS: i32 = 60_000;
/// The transactional id of these tests.
const ID: &str = "tx";

async fn open(dir: &TempDir) -> Arc<Broker> {
    let settings = Settings { data_dir: dir.path().to_owned(), ..Settings::default() };
    Broker::open(settings).await.unwrap()
}

/// A broker with a topic `t`, whose partition 0 and group `g` are part of a transaction that has
/// written one record and one offset.
async fn with_transaction(dir: &TempDir) -> (Arc<Broker>, (i64, i16)) {
    let broker = open(dir).await;
    broker.topics.create("t", 1, std::collections::BTreeMap::default()).await.unwrap();
    let producer = init_producer(&broker, ID, None, MINUTE_MS).await.unwrap();
    write(&broker, producer, 0).await;
    (broker, producer)
}

async fn write(broker: &Broker, producer: (i64, i16), sequence: i32) {
    let transactions = &broker.transactions;
    transactions.add(ID, producer, &[("t".into(), 0)], Some("g")).await.unwrap();
    let token = transactions.verify(ID, producer.0, producer.1, "t", 0).unwrap();
    let batch = by(Writer::idempotent(producer.0, producer.1, sequence, true), &["v"]);
    partition(broker).append(batch, NOW_MS).await.unwrap();
    drop(token);
    let token = transactions.verify_group(ID, producer, "g").unwrap();
    commit(broker, producer, 5).await;
    drop(token);
}

/// An offset of group `g` that waits for the end of the transaction.
async fn commit(broker: &Broker, producer: (i64, i16), offset: i64) {
    let key = OffsetKey { group: "g".into(), topic: "t".into(), partition: 0 };
    let offset = Committed { offset, leader_epoch: 0, metadata: String::new(), at_ms: now_ms() };
    broker.groups.commit_pending("g", &NOBODY, producer, vec![(key, offset)]).await.unwrap();
}

fn partition(broker: &Broker) -> Arc<Partition> {
    broker.topics.partition("t", 0).unwrap()
}

/// Records that readers of committed data see.
fn seen(broker: &Broker) -> usize {
    read_from(&partition(broker), 0, Isolation::ReadCommitted).len()
}

/// Whether nothing holds readers of committed data back.
fn is_settled(broker: &Broker) -> bool {
    let offsets = partition(broker).offsets();
    offsets.last_stable == offsets.high_watermark
}

fn position(broker: &Broker) -> Option<i64> {
    let found = broker.groups.positions("g", None, true);
    let committed = found.get("t")?.first()?.1.as_ref().unwrap().as_ref()?;
    Some(committed.offset)
}

/// Decides the end without carrying it out, as a crash would leave it.
async fn decide(broker: &Broker, producer: (i64, i16), is_commit: bool) {
    let decide = |present: Option<&Transaction>| {
        let End::Prepare(next) = present.unwrap().end(producer, is_commit, now_ms())? else {
            panic!("the transaction is over already");
        };
        Ok(Some(next))
    };
    broker.transactions.change(ID, decide).await.unwrap();
}

#[tokio::test]
async fn a_commit_makes_records_and_offsets_visible_and_an_abort_neither() {
    for (is_commit, records, offset) in [(true, 1, Some(5)), (false, 0, None)] {
        let dir = tempfile::tempdir().unwrap();
        let (broker, producer) = with_transaction(&dir).await;
        assert_eq!(seen(&broker), 0);
        assert!(!is_settled(&broker));
        end(&broker, ID, producer, is_commit).await.unwrap();
        assert!(is_settled(&broker));
        assert_eq!((seen(&broker), position(&broker)), (records, offset));
        // The answer may have been lost.
        assert_eq!(end(&broker, ID, producer, is_commit).await, Ok(()));
        let other = end(&broker, ID, producer, !is_commit).await;
        assert_eq!(other, Err(ResponseError::InvalidTxnState));
    }
}

#[tokio::test]
async fn a_decided_end_is_carried_out_after_a_crash() {
    for (is_commit, records, offset) in [(true, 1, Some(5)), (false, 0, None)] {
        let dir = tempfile::tempdir().unwrap();
        let (broker, producer) = with_transaction(&dir).await;
        decide(&broker, producer, is_commit).await;
        drop(broker);

        let broker = open(&dir).await;
        assert!(!is_settled(&broker));
        let busy = Err(ResponseError::ConcurrentTransactions);
        assert_eq!(init_producer(&broker, ID, None, MINUTE_MS).await, busy);
        sweep(&broker, now_ms()).await;
        assert!(is_settled(&broker));
        assert_eq!((seen(&broker), position(&broker)), (records, offset));
        let next = init_producer(&broker, ID, None, MINUTE_MS).await.unwrap();
        assert_eq!(next, (producer.0, producer.1 + 1));
    }
}

#[tokio::test]
async fn an_open_transaction_survives_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, producer) = with_transaction(&dir).await;
    drop(broker);
    let broker = open(&dir).await;
    sweep(&broker, now_ms()).await;
    write(&broker, producer, 1).await;
    end(&broker, ID, producer, true).await.unwrap();
    assert_eq!((seen(&broker), position(&broker)), (2, Some(5)));
}

#[tokio::test]
async fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, producer) = with_transaction(&dir).await;
    sweep(&broker, now_ms() + i64::from(MINUTE_MS)).await;
    assert!(is_settled(&broker));
    assert_eq!((seen(&broker), position(&broker)), (0, None));
    let late = end(&broker, ID, producer, true).await;
    assert_eq!(late, Err(ResponseError::ProducerFenced));
    let verified = broker.transactions.verify(ID, producer.0, producer.1, "t", 0);
    assert_eq!(verified.err(), Some(ResponseError::InvalidProducerEpoch));
}

#[tokio::test]
async fn a_successor_aborts_and_fences() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, old) = with_transaction(&dir).await;
    let new = init_producer(&broker, ID, None, MINUTE_MS).await.unwrap();
    assert!(new.0 == old.0 && new.1 > old.1);
    assert!(is_settled(&broker));
    assert_eq!(end(&broker, ID, old, true).await, Err(ResponseError::ProducerFenced));
    let added = broker.transactions.add(ID, old, &[("t".into(), 0)], None).await;
    assert_eq!(added, Err(ResponseError::ProducerFenced));
    write(&broker, new, 0).await;
    end(&broker, ID, new, true).await.unwrap();
    assert_eq!((seen(&broker), position(&broker)), (1, Some(5)));
}

#[tokio::test]
async fn the_end_waits_for_the_batches_and_offsets_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, producer) = with_transaction(&dir).await;
    let token = broker.transactions.verify(ID, producer.0, producer.1, "t", 0).unwrap();
    let offsets_token = broker.transactions.verify_group(ID, producer, "g").unwrap();
    let ending = tokio::spawn({
        let broker = Arc::clone(&broker);
        async move { end(&broker, ID, producer, true).await }
    });
    let deadline = Instant::now() + Duration::from_secs(20);
    while broker.transactions.select(Transaction::is_prepared).is_empty() {
        assert!(Instant::now() < deadline, "the end was never decided");
        tokio::task::yield_now().await;
    }
    assert!(!is_settled(&broker));
    let batch = by(Writer::idempotent(producer.0, producer.1, 1, true), &["late"]);
    partition(&broker).append(batch, NOW_MS).await.unwrap();
    drop(token);
    commit(&broker, producer, 7).await;
    drop(offsets_token);
    ending.await.unwrap().unwrap();
    assert!(is_settled(&broker));
    assert_eq!(position(&broker), Some(7));
    assert_eq!(seen(&broker), 2);
}

#[tokio::test]
async fn pending_offsets_without_a_transaction_do_not_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, producer) = with_transaction(&dir).await;
    end(&broker, ID, producer, false).await.unwrap();
    commit(&broker, producer, 6).await;
    sweep(&broker, now_ms()).await;
    assert!(broker.groups.pending_producers().is_empty());
    assert_eq!(position(&broker), None);
    write(&broker, producer, 1).await;
    sweep(&broker, now_ms()).await;
    assert_eq!(broker.groups.pending_producers(), [producer]);
}

#[tokio::test]
async fn what_nobody_owns_is_aborted_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, _) = with_transaction(&dir).await;
    abort_unowned(&broker).await;
    assert!(!is_settled(&broker), "this one has an owner");
    let lost = by(Writer::idempotent(77, 3, 0, true), &["lost"]);
    broker.topics.create("u", 1, std::collections::BTreeMap::default()).await.unwrap();
    let other = broker.topics.partition("u", 0).unwrap();
    other.append(lost, NOW_MS).await.unwrap();
    abort_unowned(&broker).await;
    assert_eq!(other.offsets().last_stable, other.offsets().high_watermark);
    assert!(read_from(&other, 0, Isolation::ReadCommitted).is_empty());
}

#[tokio::test]
async fn two_instances_never_get_the_same_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let broker = open(&dir).await;
    let start = || init_producer(&broker, ID, None, MINUTE_MS);
    let started = tokio::join!(start(), start(), start());
    let mut producers: Vec<_> =
        [started.0, started.1, started.2].into_iter().filter_map(Result::ok).collect();
    assert!(!producers.is_empty());
    let all = producers.len();
    producers.sort_unstable();
    producers.dedup();
    assert_eq!(producers.len(), all);
}

#[tokio::test]
async fn an_idle_transactional_id_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, producer) = with_transaction(&dir).await;
    end(&broker, ID, producer, true).await.unwrap();
    sweep(&broker, now_ms() + crate::limits::TRANSACTIONAL_ID_RETENTION_MS + 60_000).await;
    drop(broker);
    let broker = open(&dir).await;
    let unknown = end(&broker, ID, producer, true).await;
    assert_eq!(unknown, Err(ResponseError::InvalidProducerIdMapping));
    let next = init_producer(&broker, ID, None, MINUTE_MS).await.unwrap();
    assert!(next.0 > producer.0, "a producer id was given out twice");
}

#[tokio::test]
async fn all_transactions_together_have_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let broker = open(&dir).await;
    let parts: Vec<(String, i32)> =
        (0..TRANSACTION_PARTITIONS as i32).map(|index| ("t".to_owned(), index)).collect();
    let last = TRANSACTION_PARTITIONS_ALL / TRANSACTION_PARTITIONS;
    let mut producers = Vec::new();
    for n in 0..=last {
        let id = format!("tx-{n}");
        let producer = init_producer(&broker, &id, None, MINUTE_MS).await.unwrap();
        let added = broker.transactions.add(&id, producer, &parts, None).await;
        let expected = if n < last { Ok(()) } else { Err(ResponseError::PolicyViolation) };
        assert_eq!(added, expected, "{id}");
        producers.push((id, producer));
    }
    // The end of one makes room for another.
    end(&broker, &producers[0].0, producers[0].1, true).await.unwrap();
    let (id, producer) = &producers[last];
    broker.transactions.add(id, *producer, &parts, None).await.unwrap();
}
