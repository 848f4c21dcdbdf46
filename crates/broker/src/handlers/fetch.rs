//! `Fetch`: reads record batches as they are stored, and waits for more where there are too few.
//!
//! ```text
//!  register ─► read all partitions ─► enough, an error, or time is up? ─► answer
//!      ▲                                   │ no
//!      └──── enough may have come ◄── wait ┘
//! ```
//!
//! Fetch sessions (KIP-227) are refused the way that KIP provides: the session id of an answer is 0,
//! so a client names all its partitions each time. One broker has no need to save those bytes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::{FetchRequest, FetchResponse, ProducerId};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::handlers::{Call, check_leader_epoch};
use crate::limits::{FETCH_BYTES, FETCH_WAIT};
use crate::partition::{FetchError, Fetched, Isolation, Offsets, Partition};
use crate::wire::shape::{I8, I32, I64, Kind, STRING, Shape, UUID, inline, list, list_of};

pub(crate) const SHAPE: Shape = Shape::new(
    12,
    &[
        I32.until(14),
        I32,
        I32,
        I32,
        I8,
        I32.since(7),
        I32.since(7),
        list![
            STRING.until(12),
            UUID.since(13),
            list![
                I32,
                I32.since(9),
                I64,
                I32.since(12),
                I64.since(5),
                I32,
                UUID.since(17).tagged(0)
            ]
        ],
        list![STRING.until(12), UUID.since(13), list_of(&Kind::Fixed(4))].since(7),
        STRING.since(11),
        STRING.tagged(0),
        inline(&[I32, I64]).since(15).tagged(1),
    ],
);

const READ_COMMITTED: i8 = 1;

/// The epoch of a request that names all its partitions: with or without asking for a session.
const FULL: [i32; 2] = [0, -1];

pub(crate) async fn handle(call: &Call, request: FetchRequest) -> FetchResponse {
    if call.version >= 7 && !FULL.contains(&request.session_epoch) {
        return FetchResponse::default()
            .with_error_code(ResponseError::FetchSessionIdNotFound.code());
    }
    let wait = Duration::from_millis(request.max_wait_ms.max(0) as u64).min(FETCH_WAIT);
    let deadline = Instant::now() + wait;
    let enough = request.min_bytes.clamp(0, FETCH_BYTES as i32) as usize;
    let wanted = resolve(call, &request);
    let waiter = Arc::new(Notify::new());
    loop {
        register(&wanted, &waiter);
        // Taken before reading: what is written meanwhile then counts too early rather than never.
        let before = size_bytes(&wanted);
        let round = read(call, &request, &wanted).await;
        let stop = round.failed || round.bytes >= enough || Instant::now() >= deadline;
        if stop || call.broker.stop.is_cancelled() {
            return round.respond(&request);
        }
        // What was read may be read again with more. Its memory is not held while waiting.
        let missing = (enough - round.bytes) as u64;
        drop(round);
        call.release();
        // Reading again is worth it only once enough was written, and the size tells without
        // reading; but not where what was written becomes readable later.
        let by_size = request.isolation_level != READ_COMMITTED
            && !call.broker.settings.fsync_always;
        let worth_it = if by_size { before.saturating_add(missing) } else { 0 };
        wait_for(call, &wanted, worth_it, &waiter, deadline).await;
    }
}

/// A partition of the request, and the log that it names, if it exists.
struct Wanted<'a> {
    fetch: &'a FetchPartition,
    partition: Result<Arc<Partition>, ResponseError>,
}

fn resolve<'a>(call: &Call, request: &'a FetchRequest) -> Vec<Wanted<'a>> {
    let mut wanted = Vec::new();
    for topic in &request.topics {
        let found = if call.version >= 13 {
            call.broker.topics.by_id(topic.topic_id).ok_or(ResponseError::UnknownTopicId)
        } else {
            let topics = &call.broker.topics;
            topics.get(&topic.topic).ok_or(ResponseError::UnknownTopicOrPartition)
        };
        for fetch in &topic.partitions {
            let partition = match &found {
                Ok(topic) => topic
                    .partition(fetch.partition)
                    .ok_or(ResponseError::UnknownTopicOrPartition),
                Err(error) => Err(*error),
            };
            let partition = check_leader_epoch(fetch.current_leader_epoch).and(partition);
            wanted.push(Wanted { fetch, partition });
        }
    }
    wanted
}

fn register(wanted: &[Wanted<'_>], waiter: &Arc<Notify>) {
    for partition in wanted.iter().filter_map(|wanted| wanted.partition.as_ref().ok()) {
        partition.notify_on_advance(waiter);
    }
}

/// One pass over all partitions.
#[derive(Default)]
struct Round {
    data: Vec<PartitionData>,
    bytes: usize,
    failed: bool,
}

async fn read(call: &Call, request: &FetchRequest, wanted: &[Wanted<'_>]) -> Round {
    let isolation = if request.isolation_level == READ_COMMITTED {
        Isolation::ReadCommitted
    } else {
        Isolation::ReadUncommitted
    };
    let mut round = Round::default();
    let mut left = request.max_bytes.clamp(0, FETCH_BYTES as i32) as usize;
    for wanted in wanted {
        let most = left.min(wanted.fetch.partition_max_bytes.max(0) as usize);
        let first = round.bytes == 0;
        let data = match &wanted.partition {
            Ok(partition) => one(call, partition, wanted.fetch.fetch_offset, most, first, isolation).await,
            Err(error) => Err(failed(*error)),
        };
        let data = data.unwrap_or_else(|failed| {
            round.failed = true;
            failed
        });
        let bytes = data.records.as_ref().map_or(0, Bytes::len);
        left = left.saturating_sub(bytes);
        round.bytes += bytes;
        round.data.push(data.with_partition_index(wanted.fetch.partition));
    }
    round
}

fn failed(error: ResponseError) -> PartitionData {
    PartitionData::default()
        .with_error_code(error.code())
        .with_high_watermark(-1)
        .with_records(Some(Bytes::new()))
}

fn out_of_range(offsets: Offsets) -> PartitionData {
    failed(ResponseError::OffsetOutOfRange)
        .with_high_watermark(offsets.high_watermark)
        .with_last_stable_offset(offsets.last_stable)
        .with_log_start_offset(offsets.log_start)
}

/// Reads one partition. Only the `first` data of an answer may be larger than asked for, so that a
/// batch larger than a client's limits can be read at all (KIP-74).
async fn one(
    call: &Call,
    partition: &Partition,
    offset: i64,
    most: usize,
    first: bool,
    isolation: Isolation,
) -> Result<PartitionData, PartitionData> {
    let offsets = partition.offsets();
    if !(offsets.log_start..=offsets.high_watermark).contains(&offset) {
        return Err(out_of_range(offsets));
    }
    let end = match isolation {
        Isolation::ReadCommitted => offsets.last_stable,
        Isolation::ReadUncommitted => offsets.high_watermark,
    };
    let empty = Fetched { records: Bytes::new(), offsets, aborted: Vec::new() };
    if offset >= end || (most == 0 && !first) {
        return Ok(describe(empty, isolation));
    }
    let budget = &call.broker.answer_budget;
    let share = if first { budget.take(most).await } else { budget.try_take(most) };
    let Some(mut share) = share else { return Ok(describe(empty, isolation)) };
    let mut fetched = partition.fetch(offset, most, isolation).map_err(|error| match error {
        FetchError::OutOfRange(offsets) => out_of_range(offsets),
        FetchError::Io(error) => {
            tracing::error!("a fetch failed: {error}");
            failed(ResponseError::KafkaStorageError)
        }
    })?;
    if !first && fetched.records.len() > most {
        fetched.records = Bytes::new();
    }
    let used = fetched.records.len().min(share.num_permits());
    if let Some(used) = share.split(used) {
        call.keep(used);
    }
    Ok(describe(fetched, isolation))
}

fn describe(fetched: Fetched, isolation: Isolation) -> PartitionData {
    let aborted = fetched.aborted.iter().map(|aborted| {
        AbortedTransaction::default()
            .with_producer_id(ProducerId(aborted.producer_id))
            .with_first_offset(aborted.first_offset)
    });
    PartitionData::default()
        .with_high_watermark(fetched.offsets.high_watermark)
        .with_last_stable_offset(fetched.offsets.last_stable)
        .with_log_start_offset(fetched.offsets.log_start)
        .with_aborted_transactions(
            matches!(isolation, Isolation::ReadCommitted).then(|| aborted.collect()),
        )
        .with_records(Some(fetched.records))
}

impl Round {
    /// The data came in the order of the request.
    fn respond(self, request: &FetchRequest) -> FetchResponse {
        let mut data = self.data.into_iter();
        let topics = request.topics.iter().map(|topic| {
            FetchableTopicResponse::default()
                .with_topic(topic.topic.clone())
                .with_topic_id(topic.topic_id)
                .with_partitions(data.by_ref().take(topic.partitions.len()).collect())
        });
        FetchResponse::default().with_responses(topics.collect())
    }
}

fn size_bytes(wanted: &[Wanted<'_>]) -> u64 {
    let known = wanted.iter().filter_map(|wanted| wanted.partition.as_ref().ok());
    known.map(|partition| partition.size_bytes()).sum()
}

/// Waits until a partition advances and all together have a size, or until the deadline or the
/// broker's stop.
async fn wait_for(
    call: &Call,
    wanted: &[Wanted<'_>],
    least_bytes: u64,
    waiter: &Arc<Notify>,
    deadline: Instant,
) {
    loop {
        let advanced = tokio::select! {
            advanced = timeout_at(deadline, waiter.notified()) => advanced.is_ok(),
            () = call.broker.stop.cancelled() => false,
        };
        // Again before the look, or what comes in between would be missed.
        register(wanted, waiter);
        if !advanced || size_bytes(wanted) >= least_bytes {
            return;
        }
    }
}
