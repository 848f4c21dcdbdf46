//! `OffsetDelete`: a group forgets how far it has got.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use crate::groups::error_code;
use crate::handlers::Call;
use crate::wire::shape::{I32, STRING, Shape, list};

pub(crate) const SHAPE: Shape = Shape::new(i16::MAX, &[STRING, list![STRING, list![I32]]]);

pub(crate) async fn handle(call: &Call, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let topics = request.topics.iter();
    let asked: Vec<(&str, i32)> = topics
        .flat_map(|topic| {
            topic.partitions.iter().map(|one| (topic.name.as_str(), one.partition_index))
        })
        .collect();
    let outcomes = match call.broker.groups.delete_offsets(&request.group_id, &asked).await {
        Ok(outcomes) => outcomes,
        Err(error) => return OffsetDeleteResponse::default().with_error_code(error.code()),
    };
    let mut outcomes = outcomes.into_iter();
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|one| {
            let known = call.broker.topics.partition(&topic.name, one.partition_index);
            let known = known.map(drop).ok_or(ResponseError::UnknownTopicOrPartition);
            let outcome = known.and(outcomes.next().unwrap_or(Ok(())));
            OffsetDeleteResponsePartition::default()
                .with_partition_index(one.partition_index)
                .with_error_code(error_code(outcome))
        });
        OffsetDeleteResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}
