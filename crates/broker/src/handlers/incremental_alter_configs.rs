//! `IncrementalAlterConfigs`: changes single keys of a topic's configuration (KIP-339).

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use crate::handlers::Call;
use crate::handlers::describe_configs::{BROKER, TOPIC, check_broker, find_topic, unsupported};
use crate::topics::config::{self, Overrides, Type};
use crate::topics::{Refusal, Topic};
use crate::wire::shape::{BOOL, I8, STRING, Shape, list};

pub(crate) const SHAPE: Shape =
    Shape::new(1, &[list![I8, STRING, list![STRING, I8, STRING]], BOOL]);

// What to do with a key, as the protocol numbers it.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(crate) async fn handle(
    call: &Call,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
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
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

async fn alter(
    call: &Call,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    let topic = target(call, resource.resource_type, &resource.resource_name)?;
    let change = |mut config: Overrides| {
        for entry in &resource.configs {
            change(&mut config, entry)?;
        }
        Ok(config)
    };
    apply(call, &topic, change, validate_only).await
}

/// The topic whose configuration is meant; nothing else has one that can be changed.
pub(crate) fn target(call: &Call, resource_type: i8, name: &str) -> Result<Arc<Topic>, Refusal> {
    match resource_type {
        TOPIC => find_topic(call, name),
        BROKER => {
            check_broker(name)?;
            Err(invalid("the broker's settings cannot change while it runs; start it with others"))
        }
        other => Err(unsupported(other)),
    }
}

/// Changes a topic's configuration, or only says whether it could be changed so.
pub(crate) async fn apply(
    call: &Call,
    topic: &Topic,
    change: impl FnOnce(Overrides) -> Result<Overrides, Refusal>,
    validate_only: bool,
) -> Result<(), Refusal> {
    if validate_only {
        config::log_config(&change(topic.overrides())?).map(drop).map_err(invalid)
    } else {
        call.broker.topics.configure(&topic.name, change).await
    }
}

pub(crate) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(ResponseError::InvalidConfig, message)
}

fn change(config: &mut Overrides, entry: &AlterableConfig) -> Result<(), Refusal> {
    let name = entry.name.to_string();
    let key = config::find(&name)
        .ok_or_else(|| invalid(format!("{name}: this broker has no such topic configuration")))?;
    if entry.config_operation == DELETE {
        config.remove(&name);
        return Ok(());
    }
    let value = entry.value.as_ref().ok_or_else(|| invalid(format!("{name} has no value")))?;
    let value = match entry.config_operation {
        SET => value.to_string(),
        APPEND | SUBTRACT if key.kind == Type::List => {
            let old = config.get(&name).map_or(key.default, String::as_str);
            edit_list(old, value, entry.config_operation == APPEND)
        }
        APPEND | SUBTRACT => return Err(invalid(format!("{name} is not a list"))),
        other => {
            let message = format!("configuration operation {other} is unknown");
            return Err(Refusal::new(ResponseError::InvalidRequest, message));
        }
    };
    config.insert(name, value);
    Ok(())
}

fn edit_list(old: &str, change: &str, append: bool) -> String {
    let items = |text: &str| text.split(',').map(|item| item.trim().to_owned()).collect::<Vec<_>>();
    let (mut list, change) = (items(old), items(change));
    list.retain(|item| !item.is_empty() && !change.contains(item));
    if append {
        list.extend(change);
    }
    list.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(operation: i8, name: &'static str, value: Option<&'static str>, expected: &str) {
        let mut config = Overrides::from([("cleanup.policy".to_owned(), "delete".to_owned())]);
        let entry = AlterableConfig::default()
            .with_name(name.into())
            .with_config_operation(operation)
            .with_value(value.map(Into::into));
        let changed = match change(&mut config, &entry) {
            Ok(()) => format!("{config:?}"),
            Err(refusal) => refusal.message,
        };
        assert!(changed.contains(expected), "{changed}");
    }

    #[test]
    fn changes_single_keys() {
        check(SET, "retention.ms", Some("5"), r#""retention.ms": "5""#);
        check(DELETE, "cleanup.policy", None, "{}");
        check(APPEND, "cleanup.policy", Some("compact"), r#""delete,compact""#);
        check(APPEND, "cleanup.policy", Some("delete"), r#""delete""#);
        check(SUBTRACT, "cleanup.policy", Some("delete"), r#""cleanup.policy": """#);
        check(APPEND, "retention.ms", Some("5"), "not a list");
        check(SET, "retention.ms", None, "no value");
        check(SET, "nope", Some("1"), "no such");
        check(9, "retention.ms", Some("1"), "operation 9");
    }
}
