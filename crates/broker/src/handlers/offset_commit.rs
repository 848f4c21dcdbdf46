//! `OffsetCommit`: a group remembers how far it has got.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};

use crate::groups::{Claim, Committed, OffsetKey, error_code};
use crate::handlers::Call;
use crate::handlers::committed::{Sent, collect};
use crate::wire::shape::{I32, I64, STRING, Shape, list};

pub(crate) const SHAPE: Shape = Shape::new(
    8,
    &[
        STRING,
        I32,
        STRING,
        STRING.since(7),
        I64.until(4),
        list![STRING, list![I32, I64, I32.since(6), STRING]],
    ],
);

pub(crate) async fn handle(call: &Call, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let claim = Claim {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
    };
    let outcome = match offsets(call, &request) {
        // The claim is checked even if no offset is left to commit.
        Ok(offsets) => call.broker.groups.commit(&request.group_id, &claim, offsets).await,
        Err(error) => Err(error),
    };
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let outcome = outcome.and_then(|()| Sent::from(partition).check(call, &topic.name));
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(error_code(outcome))
        });
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

fn offsets(
    call: &Call,
    request: &OffsetCommitRequest,
) -> Result<Vec<(OffsetKey, Committed)>, ResponseError> {
    let sent = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (topic.name.as_str(), Sent::from(partition)))
    });
    collect(call, &request.group_id, sent)
}
