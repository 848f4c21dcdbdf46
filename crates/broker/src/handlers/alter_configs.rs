//! `AlterConfigs`: replaces everything that is set about a topic.

use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use crate::handlers::Call;
use crate::handlers::incremental_alter_configs::{apply, invalid, target};
use crate::topics::Refusal;
use crate::topics::config::Overrides;
use crate::wire::shape::{BOOL, I8, STRING, Shape, list};

pub(crate) const SHAPE: Shape = Shape::new(2, &[list![I8, STRING, list![STRING, STRING]], BOOL]);

pub(crate) async fn handle(call: &Call, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let altered = alter(call, &resource, request.validate_only).await;
        let mut response = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name);
        if let Err(refusal) = altered {
            response.error_code = refusal.error.code();
            response.error_message = Some(refusal.message.into());
        }
        responses.push(response);
    }
    AlterConfigsResponse::default().with_responses(responses)
}

async fn alter(
    call: &Call,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    let topic = target(call, resource.resource_type, &resource.resource_name)?;
    let mut config = Overrides::new();
    for entry in &resource.configs {
        let value = entry.value.as_ref();
        let value = value.ok_or_else(|| invalid(format!("{} has no value", entry.name)))?;
        config.insert(entry.name.to_string(), value.to_string());
    }
    apply(call, &topic, |_| Ok(config), validate_only).await
}
