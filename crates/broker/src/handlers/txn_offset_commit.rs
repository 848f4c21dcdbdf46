//! `TxnOffsetCommit`: offsets that become valid with the commit of a transaction.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

use crate::groups::{Claim, Committed, OffsetKey, error_code};
use crate::handlers::Call;
use crate::handlers::committed::{Sent, collect};
use crate::wire::shape::{I16, I32, I64, STRING, Shape, list};

pub(crate) const SHAPE: Shape = Shape::new(
    3,
    &[
        STRING,
        STRING,
        I64,
        I16,
        I32.since(3),
        STRING.since(3),
        STRING.since(3),
        list![STRING, list![I32, I64, I32.since(2), STRING]],
    ],
);

pub(crate) async fn handle(
    call: &Call,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let outcome = commit(call, &request).await;
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let outcome = outcome.and_then(|()| Sent::from(partition).check(call, &topic.name));
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(error_code(outcome))
        });
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

async fn commit(call: &Call, request: &TxnOffsetCommitRequest) -> Result<(), ResponseError> {
    let producer = (request.producer_id.0, request.producer_epoch);
    let id = &request.transactional_id;
    let in_transaction =
        call.broker.transactions.verify_group(id, producer, &request.group_id)?;
    let claim = Claim {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let offsets = offsets(call, request)?;
    let groups = &call.broker.groups;
    let committed = groups.commit_pending(&request.group_id, &claim, producer, offsets).await;
    drop(in_transaction);
    committed
}

fn offsets(
    call: &Call,
    request: &TxnOffsetCommitRequest,
) -> Result<Vec<(OffsetKey, Committed)>, ResponseError> {
    let sent = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (topic.name.as_str(), Sent::from(partition)))
    });
    collect(call, &request.group_id, sent)
}
