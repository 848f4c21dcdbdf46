//! `CreatePartitions`: more partitions for a topic that exists.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use crate::handlers::Call;
use crate::topics::Refusal;
use crate::wire::shape::{BOOL, I32, Kind, STRING, Shape, list, list_of};

pub(crate) const SHAPE: Shape =
    Shape::new(2, &[list![STRING, I32, list![list_of(&Kind::Fixed(4))]], I32, BOOL]);

pub(crate) async fn handle(
    call: &Call,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let grown = grow(call, &topic, request.validate_only).await;
        let mut result = CreatePartitionsTopicResult::default().with_name(topic.name);
        if let Err(refusal) = grown {
            result.error_code = refusal.error.code();
            result.error_message = Some(refusal.message.into());
        }
        results.push(result);
    }
    CreatePartitionsResponse::default().with_results(results)
}

async fn grow(
    call: &Call,
    topic: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), Refusal> {
    if topic.assignments.as_ref().is_some_and(|assignments| !assignments.is_empty()) {
        return Err(Refusal::new(
            ResponseError::InvalidReplicaAssignment,
            "there is one broker, so replicas cannot be assigned; give a number of partitions",
        ));
    }
    let topics = &call.broker.topics;
    if validate_only {
        topics.check_grow(&topic.name, topic.count).map(drop)
    } else {
        topics.grow(&topic.name, topic.count).await
    }
}
