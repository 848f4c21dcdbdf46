//! `ListGroups`: every group, filtered by state and type.

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::handlers::Call;
use crate::wire::shape::{Kind, Shape, list_of};

pub(crate) const SHAPE: Shape =
    Shape::new(3, &[list_of(&Kind::String).since(4), list_of(&Kind::String).since(5)]);

/// The name that Kafka's tools know the protocol of `JoinGroup` and `SyncGroup` by.
const CLASSIC: &str = "classic";

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(call: &Call, request: ListGroupsRequest) -> ListGroupsResponse {
    // No filter lets everything pass.
    let passes = |filter: &[StrBytes], name: &str| {
        filter.is_empty() || filter.iter().any(|one| one.eq_ignore_ascii_case(name))
    };
    let mut groups = call.broker.groups.list();
    groups.retain(|(_, _, state)| {
        passes(&request.states_filter, state.name()) && passes(&request.types_filter, CLASSIC)
    });
    let listed = groups.into_iter().map(|(id, protocol_type, state)| {
        let mut group = ListedGroup::default()
            .with_group_id(GroupId(id.into()))
            .with_protocol_type(protocol_type.into());
        if call.version >= 4 {
            group = group.with_group_state(StrBytes::from_static_str(state.name()));
        }
        if call.version >= 5 {
            group = group.with_group_type(StrBytes::from_static_str(CLASSIC));
        }
        group
    });
    ListGroupsResponse::default().with_groups(listed.collect())
}
