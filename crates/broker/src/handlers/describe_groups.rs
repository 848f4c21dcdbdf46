//! `DescribeGroups`: the state of groups and what each member has.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use kafka_protocol::protocol::StrBytes;

use crate::groups::{Group, State};
use crate::handlers::{Call, once, operations};
use crate::wire::shape::{BOOL, Kind, Shape, list_of};

pub(crate) const SHAPE: Shape = Shape::new(5, &[list_of(&Kind::String), BOOL.since(3)]);

/// What a client gets that did not ask.
const NO_OPERATIONS: i32 = i32::MIN;

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(
    call: &Call,
    mut request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    once(&mut request.groups, GroupId::clone);
    let operations =
        if request.include_authorized_operations { operations::GROUP } else { NO_OPERATIONS };
    let groups = request.groups.into_iter().map(|id| {
        let found = call.broker.groups.look(&id, |group| describe(group, call.version));
        let group = found.unwrap_or_else(|| unknown(&id, call.version)).with_group_id(id);
        if call.version >= 3 { group.with_authorized_operations(operations) } else { group }
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn unknown(id: &GroupId, version: i16) -> DescribedGroup {
    let group = DescribedGroup::default().with_group_state(StrBytes::from_static_str("Dead"));
    if version < 6 {
        return group;
    }
    let text = format!("Group {} not found.", id.as_str());
    group
        .with_error_code(ResponseError::GroupIdNotFound.code())
        .with_error_message(Some(text.into()))
}

fn describe(group: &Group, version: i16) -> DescribedGroup {
    // What members got and the protocol under which they got it hold only while nothing changes.
    let is_stable = group.state() == State::Stable;
    let protocol = if is_stable { group.protocol() } else { "" };
    let members = group.members().iter().map(|(id, member)| {
        let described = DescribedGroupMember::default()
            .with_member_id(id.clone().into())
            .with_client_id(member.client_id.clone().into())
            .with_client_host(member.client_host.clone().into());
        let described = if version >= 4 {
            described.with_group_instance_id(member.instance_id.clone().map(StrBytes::from))
        } else {
            described
        };
        if !is_stable {
            return described;
        }
        described
            .with_member_metadata(member.metadata(protocol))
            .with_member_assignment(member.assignment.clone())
    });
    DescribedGroup::default()
        .with_group_state(StrBytes::from_static_str(group.state().name()))
        .with_protocol_type(group.protocol_type().to_owned().into())
        .with_protocol_data(protocol.to_owned().into())
        .with_members(members.collect())
}
