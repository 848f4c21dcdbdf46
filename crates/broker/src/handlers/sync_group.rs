//! `SyncGroup`: the leader brings the assignment, every member takes its own.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;

use crate::groups::{Claim, SyncGroup, own};
use crate::handlers::Call;
use crate::wire::shape::{BYTES, I32, STRING, Shape, list};

pub(crate) const SHAPE: Shape = Shape::new(
    4,
    &[
        STRING,
        I32,
        STRING,
        STRING.since(3),
        STRING.since(5),
        STRING.since(5),
        list![STRING, BYTES],
    ],
);

pub(crate) async fn handle(call: &Call, request: SyncGroupRequest) -> SyncGroupResponse {
    call.release();
    let sync = SyncGroup {
        claim: Claim {
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_deref(),
            generation: request.generation_id,
        },
        protocol_type: request.protocol_type.as_deref(),
        protocol: request.protocol_name.as_deref(),
        assignments: request
            .assignments
            .iter()
            .map(|one| (one.member_id.to_string(), own(&one.assignment)))
            .collect(),
    };
    let answer = tokio::select! {
        answer = call.broker.groups.sync(&request.group_id, sync) => answer,
        () = call.broker.stop.cancelled() => Err(ResponseError::CoordinatorNotAvailable),
    };
    match answer {
        Err(error) => SyncGroupResponse::default().with_error_code(error.code()),
        Ok(synced) => {
            let response = SyncGroupResponse::default().with_assignment(synced.assignment);
            if call.version < 5 {
                return response;
            }
            response
                .with_protocol_type(Some(StrBytes::from(synced.protocol_type)))
                .with_protocol_name(Some(StrBytes::from(synced.protocol)))
        }
    }
}
