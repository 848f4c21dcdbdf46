//! `ElectLeaders`: the only broker leads every partition already (KIP-460).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};
use kafka_protocol::protocol::StrBytes;

use crate::handlers::{Call, once};
use crate::wire::shape::{I8, I32, Kind, STRING, Shape, list, list_of};

pub(crate) const SHAPE: Shape =
    Shape::new(2, &[I8.since(1), list![STRING, list_of(&Kind::Fixed(4))], I32]);

/// The preferred replica, or any replica that is alive, as the protocol numbers them.
const ELECTION_TYPES: [i8; 2] = [0, 1];

const NOT_NEEDED: (ResponseError, &str) =
    (ResponseError::ElectionNotNeeded, "the only broker leads this partition already");
const UNKNOWN: (ResponseError, &str) =
    (ResponseError::UnknownTopicOrPartition, "there is no such partition");

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(call: &Call, request: ElectLeadersRequest) -> ElectLeadersResponse {
    if !ELECTION_TYPES.contains(&request.election_type) {
        let error = ResponseError::InvalidRequest.code();
        // Version 0, which has no code for the whole, has no type of election either.
        return ElectLeadersResponse::default().with_error_code(error);
    }
    // Null means all partitions that need an election, and none does.
    let mut named = request.topic_partitions.unwrap_or_default();
    once(&mut named, |wanted| wanted.topic.clone());
    let results = named.into_iter().map(|mut wanted| {
        once(&mut wanted.partitions, |index| *index);
        let topic = call.broker.topics.get(&wanted.topic);
        let partitions = wanted.partitions.into_iter().map(|index| {
            let is_here = topic.as_ref().is_some_and(|topic| topic.partition(index).is_some());
            let (error, message) = if is_here { NOT_NEEDED } else { UNKNOWN };
            PartitionResult::default()
                .with_partition_id(index)
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_static_str(message)))
        });
        ReplicaElectionResult::default()
            .with_partition_result(partitions.collect())
            .with_topic(wanted.topic)
    });
    ElectLeadersResponse::default().with_replica_election_results(results.collect())
}
