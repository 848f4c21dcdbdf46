//! `JoinGroup`: a member asks to be in the group's next generation.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::groups::{Join, JoinRefused, Joined, MemberMetadata, Protocol, own};
use crate::handlers::Call;
use crate::limits::SESSION_TIMEOUT_MS;
use crate::wire::shape::{BYTES, I32, STRING, Shape, list};

pub(crate) const SHAPE: Shape = Shape::new(
    6,
    &[
        STRING,
        I32,
        I32.since(1),
        STRING,
        STRING.since(5),
        STRING,
        list![STRING, BYTES],
        STRING.since(8),
    ],
);

pub(crate) async fn handle(call: &Call, request: JoinGroupRequest) -> JoinGroupResponse {
    call.release();
    let member_id = request.member_id.to_string();
    if request.group_id.is_empty() {
        return refused(call, ResponseError::InvalidGroupId, member_id);
    }
    if !SESSION_TIMEOUT_MS.contains(&request.session_timeout_ms) {
        return refused(call, ResponseError::InvalidSessionTimeout, member_id);
    }
    let join = join(call, &request);
    let answer = tokio::select! {
        answer = call.broker.groups.join(&request.group_id, &join) => answer,
        () = call.broker.stop.cancelled() => {
            return refused(call, ResponseError::CoordinatorNotAvailable, member_id);
        }
    };
    match answer {
        Ok(joined) => accepted(call, joined),
        Err(JoinRefused { error, member_id }) => refused(call, error, member_id),
    }
}

fn join(call: &Call, request: &JoinGroupRequest) -> Join {
    let ms = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let client_id = call.client_id.as_ref().map(ToString::to_string).unwrap_or_default();
    let instance_id = request.group_instance_id.as_ref().map(ToString::to_string);
    // Version 0 knows one time-out for both; the decoder reads its rebalance time-out as -1.
    let rebalance_timeout_ms = if request.rebalance_timeout_ms < 0 {
        request.session_timeout_ms
    } else {
        request.rebalance_timeout_ms
    };
    Join {
        member_id: request.member_id.to_string(),
        fresh_id: format!("{}-{}", instance_id.as_ref().unwrap_or(&client_id), Uuid::new_v4()),
        requires_known_id: call.version >= 4 && instance_id.is_none(),
        instance_id,
        client_id,
        client_host: format!("/{}", call.client_host),
        protocol_type: request.protocol_type.to_string(),
        protocols: request
            .protocols
            .iter()
            .map(|one| Protocol { name: one.name.to_string(), metadata: own(&one.metadata) })
            .collect(),
        session_timeout: ms(request.session_timeout_ms),
        rebalance_timeout: ms(rebalance_timeout_ms),
        may_skip_assignment: call.version >= 9,
    }
}

fn accepted(call: &Call, joined: Joined) -> JoinGroupResponse {
    let response = JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_name(Some(joined.protocol.into()))
        .with_leader(joined.leader.into())
        .with_member_id(joined.member_id.into())
        .with_skip_assignment(joined.skip_assignment)
        .with_members(joined.members.into_iter().map(|one| describe(call, one)).collect());
    if call.version >= 7 {
        response.with_protocol_type(Some(joined.protocol_type.into()))
    } else {
        response
    }
}

fn describe(call: &Call, member: MemberMetadata) -> JoinGroupResponseMember {
    let response = JoinGroupResponseMember::default()
        .with_member_id(member.member_id.into())
        .with_metadata(member.metadata);
    if call.version >= 5 {
        response.with_group_instance_id(member.instance_id.map(StrBytes::from))
    } else {
        response
    }
}

fn refused(call: &Call, error: ResponseError, member_id: String) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(error.code())
        .with_generation_id(-1)
        // Null only since version 7.
        .with_protocol_name((call.version < 7).then(StrBytes::default))
        .with_member_id(member_id.into())
}
