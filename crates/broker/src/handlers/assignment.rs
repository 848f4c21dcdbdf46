//! Replica assignments that a request spells out, for new topics and for new partitions.
//!
//! There is one broker, so the only assignment of a partition is to that broker. Tools that lay out
//! replicas themselves send it, and get what they ask for; anything else is refused as Apache Kafka
//! refuses what its brokers cannot do.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::create_topics_request::CreatableTopic;

use crate::broker::NODE_ID;
use crate::topics::Refusal;

fn refuse<T>(message: String) -> Result<T, Refusal> {
    Err(Refusal::new(ResponseError::InvalidReplicaAssignment, message))
}

/// Says whether a partition can have these replicas.
pub(crate) fn check(partition: i32, brokers: &[BrokerId]) -> Result<(), Refusal> {
    match brokers {
        [BrokerId(NODE_ID)] => Ok(()),
        [] => refuse(format!("partition {partition} is assigned to no broker; give it {NODE_ID}")),
        brokers => match brokers.iter().find(|broker| broker.0 != NODE_ID) {
            Some(other) => refuse(format!(
                "partition {partition} is assigned to broker {}, but the only broker is {NODE_ID}",
                other.0
            )),
            None => refuse(format!(
                "partition {partition} is assigned to broker {NODE_ID} more than once"
            )),
        },
    }
}

/// The number of partitions that the assignments of a new topic make.
pub(crate) fn partitions_of(topic: &CreatableTopic) -> Result<i32, Refusal> {
    let counts = [
        ("number of partitions", topic.num_partitions),
        ("replication factor", topic.replication_factor.into()),
    ];
    if let Some((what, given)) = counts.into_iter().find(|(_, given)| *given != -1) {
        return Err(Refusal::new(
            ResponseError::InvalidRequest,
            format!("the assignments say the {what}, so it must be -1, not {given}"),
        ));
    }
    let mut indexes = Vec::with_capacity(topic.assignments.len());
    for assignment in &topic.assignments {
        check(assignment.partition_index, &assignment.broker_ids)?;
        indexes.push(assignment.partition_index);
    }
    indexes.sort_unstable();
    if let Some((wanted, index)) = (0..).zip(&indexes).find(|(wanted, index)| wanted != *index) {
        return refuse(if wanted > 0 && *index == wanted - 1 {
            format!("partition {index} is assigned more than once")
        } else {
            format!(
                "partition {index} is assigned but partition {wanted} is not; partitions are \
                 numbered from 0 without a gap"
            )
        });
    }
    Ok(indexes.len() as i32)
}
