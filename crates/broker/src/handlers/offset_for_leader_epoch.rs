//! `OffsetForLeaderEpoch`: where a leader's time ended. There is one leader and one epoch.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use crate::broker::LEADER_EPOCH;
use crate::handlers::{Call, check_leader_epoch};
use crate::wire::shape::{I32, STRING, Shape, list};

pub(crate) const SHAPE: Shape =
    Shape::new(4, &[I32.since(3), list![STRING, list![I32, I32, I32]]]);

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(
    call: &Call,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|wanted| {
            let result = EpochEndOffset::default().with_partition(wanted.partition);
            match end(call, &topic.topic, wanted) {
                Ok(Some(end)) => result.with_leader_epoch(LEADER_EPOCH).with_end_offset(end),
                Ok(None) => result,
                Err(error) => result.with_error_code(error.code()),
            }
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default().with_topic(topic.topic.clone()).with_partitions(partitions)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

/// The log's end for the epoch that there is, nothing for others.
fn end(
    call: &Call,
    topic: &str,
    wanted: &OffsetForLeaderPartition,
) -> Result<Option<i64>, ResponseError> {
    let partition = call
        .broker
        .topics
        .partition(topic, wanted.partition)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    check_leader_epoch(wanted.current_leader_epoch)?;
    let known = wanted.leader_epoch == LEADER_EPOCH;
    Ok(known.then(|| partition.offsets().high_watermark))
}
