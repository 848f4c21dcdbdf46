//! `DeleteRecords`: gives up the beginning of a partition.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_records_request::DeleteRecordsPartition;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use crate::handlers::Call;
use crate::partition::FetchError;
use crate::wire::shape::{I32, I64, STRING, Shape, list};

pub(crate) const SHAPE: Shape = Shape::new(2, &[list![STRING, list![I32, I64]], I32]);

/// Means everything up to the high watermark.
const ALL: i64 = -1;

pub(crate) async fn handle(call: &Call, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut results = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let mut result = DeleteRecordsPartitionResult::default()
                .with_partition_index(wanted.partition_index);
            match delete(call, &topic.name, wanted).await {
                Ok(log_start) => result.low_watermark = log_start,
                Err(error) => {
                    result.low_watermark = -1;
                    result.error_code = error.code();
                }
            }
            results.push(result);
        }
        topics.push(
            DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(results),
        );
    }
    DeleteRecordsResponse::default().with_topics(topics)
}

async fn delete(
    call: &Call,
    topic: &str,
    wanted: &DeleteRecordsPartition,
) -> Result<i64, ResponseError> {
    let partition = call
        .broker
        .topics
        .partition(topic, wanted.partition_index)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    let end = partition.offsets().high_watermark;
    let before = if wanted.offset == ALL { end } else { wanted.offset };
    if !(0..=end).contains(&before) {
        return Err(ResponseError::OffsetOutOfRange);
    }
    // Files are removed, which may block.
    let deleted = tokio::task::spawn_blocking(move || partition.delete_records(before)).await;
    match deleted {
        Ok(Ok(log_start)) => Ok(log_start),
        Ok(Err(FetchError::OutOfRange(_))) => Err(ResponseError::OffsetOutOfRange),
        Ok(Err(error)) => {
            tracing::error!(topic, partition = wanted.partition_index, "deleting records: {error}");
            Err(ResponseError::KafkaStorageError)
        }
        Err(_) => Err(ResponseError::UnknownServerError),
    }
}
