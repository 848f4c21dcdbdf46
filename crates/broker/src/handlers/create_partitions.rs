//! `CreatePartitions`: more partitions for a topic that exists.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use crate::handlers::{Call, assignment};
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
    let topics = &call.broker.topics;
    let has = topics.check_grow(&topic.name, topic.count)?.partition_count();
    check_assignments(has, topic)?;
    if validate_only { Ok(()) } else { topics.grow(&topic.name, topic.count).await }
}

/// The assignments are those of the new partitions, in their order. Some clients send an empty list
/// where they mean none.
fn check_assignments(has: i32, topic: &CreatePartitionsTopic) -> Result<(), Refusal> {
    let assignments = match topic.assignments.as_deref() {
        None | Some([]) => return Ok(()),
        Some(assignments) => assignments,
    };
    let new = topic.count - has;
    if new != assignments.len() as i32 {
        return Err(Refusal::new(
            ResponseError::InvalidReplicaAssignment,
            format!(
                "topic {} has {has} partitions, so {} take {new} assignments, not {}",
                topic.name.as_str(),
                topic.count,
                assignments.len()
            ),
        ));
    }
    let mut new = (has..).zip(assignments);
    new.try_for_each(|(index, assigned)| assignment::check(index, &assigned.broker_ids))
}
