//! `OffsetCommit`: a group remembers how far it has got.

use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};

use crate::groups::{Claim, error_code};
use crate::handlers::Call;
use crate::handlers::committed::Sent;
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
    let mut offsets = Vec::new();
    for topic in &request.topics {
        let sent = topic.partitions.iter().map(Sent::from);
        let good = sent.filter(|offset| offset.check(call, &topic.name).is_ok());
        offsets.extend(good.map(|offset| offset.commit(&request.group_id, &topic.name)));
    }
    // The claim is checked even if no offset is left to commit.
    let outcome = call.broker.groups.commit(&request.group_id, &claim, offsets).await;
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
