//! `DescribeProducers`: which producers partitions remember, and which of them have a transaction
//! open there (KIP-664).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};

use crate::handlers::{Call, once};
use crate::limits::PRODUCERS_DESCRIBED;
use crate::partition::Partition;
use crate::wire::shape::{Kind, STRING, Shape, list, list_of};

pub(crate) const SHAPE: Shape = Shape::new(0, &[list![STRING, list_of(&Kind::Fixed(4))]]);

/// The epoch of the coordinator, which a partition here does not remember.
const UNKNOWN: i32 = -1;

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(
    call: &Call,
    mut request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let mut left = PRODUCERS_DESCRIBED;
    once(&mut request.topics, |topic| topic.name.clone());
    let topics = request.topics.into_iter().map(|mut wanted| {
        once(&mut wanted.partition_indexes, |index| *index);
        let topic = call.broker.topics.get(&wanted.name);
        let partitions = wanted.partition_indexes.into_iter().map(|index| {
            let partition = topic.as_ref().and_then(|topic| topic.partition(index));
            describe(partition.as_deref(), &mut left).with_partition_index(index)
        });
        TopicResponse::default().with_partitions(partitions.collect()).with_name(wanted.name)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

/// What a partition remembers, if there is room `left` for as many producers.
fn describe(partition: Option<&Partition>, left: &mut usize) -> PartitionResponse {
    let failed = |error: ResponseError| PartitionResponse::default().with_error_code(error.code());
    let Some(partition) = partition else {
        return failed(ResponseError::UnknownTopicOrPartition);
    };
    let producers = partition.active_producers();
    let Some(rest) = left.checked_sub(producers.len()) else {
        let message = format!(
            "an answer has at most {PRODUCERS_DESCRIBED} producers; ask for fewer partitions at a time"
        );
        return failed(ResponseError::PolicyViolation).with_error_message(Some(message.into()));
    };
    *left = rest;
    let producers = producers.into_iter().map(|producer| {
        ProducerState::default()
            .with_producer_id(ProducerId(producer.producer_id))
            .with_producer_epoch(producer.epoch.into())
            .with_last_sequence(producer.last_sequence)
            .with_last_timestamp(producer.last_write_ms)
            .with_coordinator_epoch(UNKNOWN)
            .with_current_txn_start_offset(producer.open_since.unwrap_or(-1))
    });
    PartitionResponse::default().with_active_producers(producers.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::Writer;
    use crate::log::testing::{NOW_MS, by, open};
    use crate::partition::LogConfig;

    #[tokio::test]
    async fn an_answer_ends_where_its_room_does() {
        let dir = tempfile::tempdir().unwrap();
        let partition = open(dir.path(), &LogConfig::default());
        for producer_id in [5, 3] {
            let batch = by(Writer::idempotent(producer_id, 0, 0, false), &["a"]);
            partition.append(batch, NOW_MS).await.unwrap();
        }
        let mut left = 3;
        let producers = describe(Some(&partition), &mut left).active_producers;
        let ids: Vec<_> = producers.iter().map(|producer| producer.producer_id.0).collect();
        assert_eq!((ids, left), (vec![3, 5], 1));
        let refused = describe(Some(&partition), &mut left);
        assert_eq!(refused.error_code, ResponseError::PolicyViolation.code());
        assert!(refused.error_message.unwrap().contains("fewer partitions"));
        assert_eq!((refused.active_producers, left), (vec![], 1));
    }
}
