//! `LeaveGroup`: members go at once, without waiting for their session to end. Since version 3 an
//! administrator can send away several, static ones by their instance id.

use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use crate::groups::error_code;
use crate::handlers::Call;
use crate::wire::shape::{STRING, Shape, list};

pub(crate) const SHAPE: Shape = Shape::new(
    4,
    &[STRING, STRING.until(2), list![STRING, STRING, STRING.since(5)].since(3)],
);

pub(crate) async fn handle(call: &Call, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let groups = &call.broker.groups;
    if call.version < 3 {
        let outcomes = groups.leave(&request.group_id, &[(&request.member_id, None)]).await;
        let code = outcomes.into_iter().map(error_code).next().unwrap_or(0);
        return LeaveGroupResponse::default().with_error_code(code);
    }
    let leaving: Vec<(&str, Option<&str>)> = request
        .members
        .iter()
        .map(|member| (member.member_id.as_str(), member.group_instance_id.as_deref()))
        .collect();
    let outcomes = groups.leave(&request.group_id, &leaving).await;
    let members = request.members.iter().zip(outcomes).map(|(member, outcome)| {
        MemberResponse::default()
            .with_member_id(member.member_id.clone())
            .with_group_instance_id(member.group_instance_id.clone())
            .with_error_code(error_code(outcome))
    });
    LeaveGroupResponse::default().with_members(members.collect())
}
