//! `FindCoordinator`: which broker looks after a group or a transactional id. Always this one.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};

use crate::broker::NODE_ID;
use crate::handlers::Call;
use crate::wire::shape::{I8, Kind, STRING, Shape, list_of};

pub(crate) const SHAPE: Shape =
    Shape::new(3, &[STRING.until(3), I8.since(1), list_of(&Kind::String).since(4)]);

/// Groups (0) and transactional ids (1) have coordinators here.
const KEY_TYPES: std::ops::RangeInclusive<i8> = 0..=1;

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(
    call: &Call,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let endpoint = call.broker.endpoint();
    let is_known = KEY_TYPES.contains(&request.key_type);
    let error_code = if is_known { 0 } else { ResponseError::InvalidRequest.code() };
    let node_id = BrokerId(if is_known { NODE_ID } else { -1 });
    let (host, port) = if is_known { (endpoint.host, endpoint.port) } else { Default::default() };
    if call.version < 4 {
        return FindCoordinatorResponse::default()
            .with_error_code(error_code)
            .with_node_id(node_id)
            .with_host(host)
            .with_port(port);
    }
    let coordinators = request.coordinator_keys.into_iter().map(|key| {
        Coordinator::default()
            .with_key(key)
            .with_error_code(error_code)
            .with_node_id(node_id)
            .with_host(host.clone())
            .with_port(port)
    });
    FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
}
