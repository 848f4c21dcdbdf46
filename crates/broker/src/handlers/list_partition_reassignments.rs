//! `ListPartitionReassignments`: with one broker no partition is ever on its way to another (KIP-455).

use kafka_protocol::messages::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use crate::handlers::Call;
use crate::wire::shape::{I32, Kind, STRING, Shape, list, list_of};

pub(crate) const SHAPE: Shape = Shape::new(0, &[I32, list![STRING, list_of(&Kind::Fixed(4))]]);

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(
    _: &Call,
    _: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}
