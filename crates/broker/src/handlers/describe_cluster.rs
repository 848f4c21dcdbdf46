//! `DescribeCluster`: the brokers of this cluster, which is one.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};

use crate::broker::NODE_ID;
use crate::handlers::{Call, operations};
use crate::wire::shape::{BOOL, I8, Shape};

pub(crate) const SHAPE: Shape = Shape::new(0, &[BOOL, I8.since(1), BOOL.since(2)]);

/// The endpoint type of brokers; controllers have another.
const BROKERS: i8 = 1;

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(
    call: &Call,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    if request.endpoint_type != BROKERS {
        return DescribeClusterResponse::default()
            .with_error_code(ResponseError::MismatchedEndpointType.code())
            .with_error_message(Some("this is a broker's endpoint, not a controller's".into()));
    }
    let endpoint = call.broker.endpoint();
    let broker = DescribeClusterBroker::default()
        .with_broker_id(BrokerId(NODE_ID))
        .with_host(endpoint.host)
        .with_port(endpoint.port);
    let mut response = DescribeClusterResponse::default()
        .with_cluster_id(call.broker.cluster_id.clone())
        .with_controller_id(BrokerId(NODE_ID))
        .with_brokers(vec![broker]);
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = operations::CLUSTER;
    }
    response
}
