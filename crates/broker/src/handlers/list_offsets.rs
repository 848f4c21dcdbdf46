//! `ListOffsets`: the offset that belongs to a time, or to the beginning or the end.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use crate::broker::LEADER_EPOCH;
use crate::handlers::{Call, check_leader_epoch, once};
use crate::partition::Partition;
use crate::wire::shape::{I8, I32, I64, STRING, Shape, list};

pub(crate) const SHAPE: Shape = Shape::new(
    6,
    &[I32, I8.since(2), list![STRING, list![I32, I32.since(4), I64]], I32.since(10)],
);

// Times that mean a place instead.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

const READ_COMMITTED: i8 = 1;

/// What is answered where there is no such offset or time.
const NONE: i64 = -1;

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(call: &Call, mut request: ListOffsetsRequest) -> ListOffsetsResponse {
    once(&mut request.topics, |topic| topic.name.clone());
    for topic in &mut request.topics {
        once(&mut topic.partitions, |partition| partition.partition_index);
    }
    let committed = request.isolation_level == READ_COMMITTED;
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|wanted| {
            let mut response = ListOffsetsPartitionResponse::default()
                .with_partition_index(wanted.partition_index);
            match find(call, &topic.name, wanted, committed) {
                Ok((offset, timestamp_ms)) => {
                    response.offset = offset;
                    response.timestamp = timestamp_ms;
                    if offset != NONE {
                        response.leader_epoch = LEADER_EPOCH;
                    }
                }
                Err(error) => response.error_code = error.code(),
            }
            // Version 4 brought the epoch; older ones cannot carry another than the default.
            if call.version < 4 {
                response.leader_epoch = -1;
            }
            response
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn find(
    call: &Call,
    topic: &str,
    wanted: &ListOffsetsPartition,
    committed: bool,
) -> Result<(i64, i64), ResponseError> {
    let partition = call
        .broker
        .topics
        .partition(topic, wanted.partition_index)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    check_leader_epoch(wanted.current_leader_epoch)?;
    place(&partition, wanted.timestamp, committed)
}

/// Offset and timestamp.
fn place(
    partition: &Partition,
    timestamp_ms: i64,
    committed: bool,
) -> Result<(i64, i64), ResponseError> {
    let offsets = partition.offsets();
    let end = if committed { offsets.last_stable } else { offsets.high_watermark };
    let found = match timestamp_ms {
        LATEST => return Ok((end, NONE)),
        EARLIEST | EARLIEST_LOCAL => return Ok((offsets.log_start, NONE)),
        // Nothing is tiered to other storage.
        LATEST_TIERED => None,
        MAX_TIMESTAMP => partition.max_timestamp(),
        timestamp_ms => partition.offset_for_timestamp(timestamp_ms).map_err(|error| {
            tracing::error!("a search by time failed: {error}");
            ResponseError::KafkaStorageError
        })?,
    };
    Ok(found.filter(|(offset, _)| *offset < end).unwrap_or((NONE, NONE)))
}
