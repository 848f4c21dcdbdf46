//! `DescribeConfigs`: what topics and the broker are set to, and where each value comes from.

use std::borrow::Cow;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult as Config, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::broker::NODE_ID;
use crate::handlers::{Call, once};
use crate::limits::SESSION_TIMEOUT_MS;
use crate::topics::Refusal;
use crate::topics::config::{KEYS, Key, Overrides, Type};
use crate::wire::shape::{BOOL, I8, Kind, STRING, Shape, list, list_of};

pub(crate) const SHAPE: Shape = Shape::new(
    4,
    &[list![I8, STRING, list_of(&Kind::String)], BOOL, BOOL.since(3)],
);

/// The resources that have a configuration here, as the protocol numbers them.
pub(crate) const TOPIC: i8 = 2;
pub(crate) const BROKER: i8 = 4;

/// Where a value comes from, as the protocol numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Topic = 1,
    StaticBroker = 4,
    Default = 5,
}

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(
    call: &Call,
    mut request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    once(&mut request.resources, |one| (one.resource_type, one.resource_name.clone()));
    let results = request.resources.into_iter().map(|resource| {
        let mut result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match describe(call, &resource) {
            Ok(mut configs) => {
                for config in &mut configs {
                    if !request.include_synonyms {
                        config.synonyms.clear();
                    }
                    if !request.include_documentation {
                        config.documentation = None;
                    }
                }
                result.configs = configs;
            }
            Err(refusal) => {
                result.error_code = refusal.error.code();
                result.error_message = Some(refusal.message.into());
            }
        }
        result
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn describe(call: &Call, resource: &DescribeConfigsResource) -> Result<Vec<Config>, Refusal> {
    let mut configs = match resource.resource_type {
        TOPIC => {
            let topic = find_topic(call, &resource.resource_name)?;
            let overrides = topic.overrides();
            KEYS.iter().map(|key| topic_config(key, &overrides)).collect()
        }
        BROKER => {
            check_broker(&resource.resource_name)?;
            // No name means the defaults of all brokers that somebody set; nobody can.
            if resource.resource_name.is_empty() { Vec::new() } else { broker_configs(call) }
        }
        other => return Err(unsupported(other)),
    };
    if let Some(keys) = &resource.configuration_keys {
        configs.retain(|config: &Config| keys.contains(&config.name));
    }
    Ok(configs)
}

pub(crate) fn find_topic(
    call: &Call,
    name: &str,
) -> Result<std::sync::Arc<crate::topics::Topic>, Refusal> {
    crate::topics::name::check(name)?;
    call.broker.topics.get(name).ok_or_else(|| {
        Refusal::new(ResponseError::UnknownTopicOrPartition, format!("there is no topic {name}"))
    })
}

pub(crate) fn check_broker(name: &str) -> Result<(), Refusal> {
    if name.is_empty() || name == NODE_ID.to_string() {
        return Ok(());
    }
    Err(Refusal::new(
        ResponseError::InvalidRequest,
        format!("there is no broker {name}, only broker {NODE_ID}"),
    ))
}

pub(crate) fn unsupported(resource_type: i8) -> Refusal {
    Refusal::new(
        ResponseError::InvalidRequest,
        format!("resource type {resource_type} has no configuration here, only topics and brokers"),
    )
}

/// A topic's value, and whether it was set or is the default.
pub(crate) fn topic_value(key: &Key, overrides: &Overrides) -> (StrBytes, Source) {
    match overrides.get(key.name) {
        Some(value) => (value.clone().into(), Source::Topic),
        None => (key.default.into(), Source::Default),
    }
}

fn topic_config(key: &Key, overrides: &Overrides) -> Config {
    let (value, source) = topic_value(key, overrides);
    let mut synonyms = Vec::new();
    if source == Source::Topic {
        synonyms.push(synonym(key.name, value.clone(), source));
    }
    synonyms.extend(
        key.broker_name.map(|name| synonym(name, key.default.into(), Source::Default)),
    );
    Config::default()
        .with_name(key.name.into())
        .with_value(Some(value))
        .with_config_source(source as i8)
        .with_synonyms(synonyms)
        .with_config_type(key.kind as i8)
        .with_documentation(Some(key.documentation.into()))
}

fn synonym(name: &'static str, value: StrBytes, source: Source) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(name.into())
        .with_value(Some(value))
        .with_source(source as i8)
}

/// The settings under Kafka's names, and the defaults of all topics. None can be changed while the
/// broker runs.
fn broker_configs(call: &Call) -> Vec<Config> {
    let settings = &call.broker.settings;
    let endpoint = call.broker.endpoint();
    let set = |name: &'static str, kind: Type, value: String| {
        broker_config(name, kind, value.into(), Source::StaticBroker)
    };
    let default = |name: &'static str, kind: Type, value: String| {
        broker_config(name, kind, value.into(), Source::Default)
    };
    let mut configs = vec![
        set(
            "advertised.listeners",
            Type::String,
            format!("PLAINTEXT://{}:{}", in_url(&endpoint.host), endpoint.port),
        ),
        // On unless somebody switched it off, as in Kafka.
        if settings.auto_create_topics {
            default("auto.create.topics.enable", Type::Boolean, "true".into())
        } else {
            set("auto.create.topics.enable", Type::Boolean, "false".into())
        },
        set("default.replication.factor", Type::Int, "1".into()),
        set(
            "group.initial.rebalance.delay.ms",
            Type::Int,
            settings.group_initial_rebalance_delay_ms.to_string(),
        ),
        default(
            "group.max.session.timeout.ms",
            Type::Int,
            SESSION_TIMEOUT_MS.end().to_string(),
        ),
        default(
            "group.min.session.timeout.ms",
            Type::Int,
            SESSION_TIMEOUT_MS.start().to_string(),
        ),
        set("log.dirs", Type::String, call.broker.log_dir().to_string()),
        set("max.connections", Type::Int, settings.connections().to_string()),
        set("node.id", Type::Int, NODE_ID.to_string()),
        set("num.partitions", Type::Int, settings.default_partitions.to_string()),
        set("offsets.topic.replication.factor", Type::Int, "1".into()),
        set("socket.request.max.bytes", Type::Int, settings.request_max_bytes.to_string()),
        set("transaction.state.log.replication.factor", Type::Int, "1".into()),
    ];
    configs.extend(KEYS.iter().filter_map(|key| {
        let config = broker_config(key.broker_name?, key.kind, key.default.into(), Source::Default);
        Some(config.with_documentation(Some(key.documentation.into())))
    }));
    configs.sort_by(|a, b| a.name.cmp(&b.name));
    configs
}

/// A host as it stands before a port: IPv6 addresses in brackets.
fn in_url(host: &str) -> Cow<'_, str> {
    if host.contains(':') { Cow::Owned(format!("[{host}]")) } else { Cow::Borrowed(host) }
}

fn broker_config(name: &'static str, kind: Type, value: StrBytes, source: Source) -> Config {
    Config::default()
        .with_name(name.into())
        .with_value(Some(value.clone()))
        .with_read_only(true)
        .with_config_source(source as i8)
        .with_synonyms(vec![synonym(name, value, source)])
        .with_config_type(kind as i8)
}
