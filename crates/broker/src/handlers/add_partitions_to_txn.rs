//! `AddPartitionsToTxn`: a producer says where its transaction will write, before it writes there.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use crate::handlers::Call;
use crate::transactions::fenced_code;
use crate::wire::shape::{I16, I64, Kind, STRING, Shape, list, list_of};

pub(crate) const SHAPE: Shape =
    Shape::new(3, &[STRING, I64, I16, list![STRING, list_of(&Kind::Fixed(4))]]);

/// The first version whose clients know `PRODUCER_FENCED`.
const KNOWS_FENCED: i16 = 2;

pub(crate) async fn handle(
    call: &Call,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    let is_known =
        |topic: &str, index: i32| call.broker.topics.partition(topic, index).is_some();
    // All or none: if one partition is unknown, the others are told that nothing was done.
    let all_known = request
        .v3_and_below_topics
        .iter()
        .all(|topic| topic.partitions.iter().all(|index| is_known(&topic.name, *index)));
    let outcome = if all_known {
        let asked = asked(&request);
        let producer = (request.v3_and_below_producer_id.0, request.v3_and_below_producer_epoch);
        let id = &request.v3_and_below_transactional_id;
        call.broker.transactions.add(id, producer, &asked, None).await
    } else {
        Err(ResponseError::OperationNotAttempted)
    };
    let topics = request.v3_and_below_topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|index| {
            let outcome = if is_known(&topic.name, *index) {
                outcome
            } else {
                Err(ResponseError::UnknownTopicOrPartition)
            };
            let code = outcome.err().map_or(0, |it| fenced_code(it, call.version >= KNOWS_FENCED));
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(code)
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions.collect())
    });
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(topics.collect())
}

fn asked(request: &AddPartitionsToTxnRequest) -> Vec<(String, i32)> {
    let topics = request.v3_and_below_topics.iter();
    topics
        .flat_map(|topic| topic.partitions.iter().map(|index| (topic.name.to_string(), *index)))
        .collect()
}
