//! `ListConfigResources`: what has a configuration, which is topics and the broker (KIP-1142).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_config_resources_response::ConfigResource;
use kafka_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};

use crate::broker::NODE_ID;
use crate::handlers::Call;
use crate::handlers::describe_configs::{BROKER, TOPIC};
use crate::wire::shape::{Kind, Shape, list_of};

pub(crate) const SHAPE: Shape = Shape::new(0, &[list_of(&Kind::Fixed(1)).since(1)]);

// Kinds that the protocol knows and that have no configuration here.
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(
    call: &Call,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    const ALL: [i8; 5] = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];
    // Version 0 asks for client metrics only.
    let wanted = match request.resource_types {
        _ if call.version == 0 => vec![CLIENT_METRICS],
        none if none.is_empty() => ALL.to_vec(),
        types => types,
    };
    if wanted.iter().any(|kind| !ALL.contains(kind)) {
        let error = ResponseError::UnsupportedVersion.code();
        return ListConfigResourcesResponse::default().with_error_code(error);
    }
    let mut resources = Vec::new();
    let resource = |name: String, kind| {
        ConfigResource::default().with_resource_name(name.into()).with_resource_type(kind)
    };
    if wanted.contains(&TOPIC) {
        let topics = call.broker.topics.all();
        resources.extend(topics.iter().map(|topic| resource(topic.name.clone(), TOPIC)));
    }
    if wanted.contains(&BROKER) {
        resources.push(resource(NODE_ID.to_string(), BROKER));
    }
    ListConfigResourcesResponse::default().with_config_resources(resources)
}
