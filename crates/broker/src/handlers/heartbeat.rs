//! `Heartbeat`: a member says that it is there, and hears whether a rebalance has begun.

use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use crate::groups::{Claim, error_code};
use crate::handlers::Call;
use crate::wire::shape::{I32, STRING, Shape};

pub(crate) const SHAPE: Shape = Shape::new(4, &[STRING, I32, STRING, STRING.since(3)]);

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(call: &Call, request: HeartbeatRequest) -> HeartbeatResponse {
    let claim = Claim {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let outcome = call.broker.groups.heartbeat(&request.group_id, &claim);
    HeartbeatResponse::default().with_error_code(error_code(outcome))
}
