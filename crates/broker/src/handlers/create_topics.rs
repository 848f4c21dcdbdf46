//! `CreateTopics`.

use std::collections::HashSet;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, TopicName};
use uuid::Uuid;

use crate::handlers::describe_configs::topic_value;
use crate::handlers::{Call, assignment};
use crate::limits::CREATED_TOPICS;
use crate::topics::Refusal;
use crate::topics::config::{KEYS, Overrides};
use crate::wire::shape::{BOOL, I16, I32, Kind, STRING, Shape, list, list_of};

pub(crate) const SHAPE: Shape = Shape::new(
    5,
    &[
        list![STRING, I32, I16, list![I32, list_of(&Kind::Fixed(4))], list![STRING, STRING]],
        I32,
        BOOL,
    ],
);

pub(crate) async fn handle(call: &Call, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut once = HashSet::new();
    let mut twice: HashSet<TopicName> = HashSet::new();
    for topic in &request.topics {
        if !once.insert(&topic.name) {
            twice.insert(topic.name.clone());
        }
    }
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let result = if results.len() >= CREATED_TOPICS {
            Err(Refusal::new(
                ResponseError::PolicyViolation,
                format!("a request may create {CREATED_TOPICS} topics, send the others in another"),
            ))
        } else if twice.contains(&topic.name) {
            Err(Refusal::new(ResponseError::InvalidRequest, "the topic is in the request twice"))
        } else {
            create(call, &topic, request.validate_only).await
        };
        results.push(result.unwrap_or_else(|refusal| {
            CreatableTopicResult::default()
                .with_error_code(refusal.error.code())
                .with_error_message(Some(refusal.message.into()))
                .with_configs(None)
        })
        .with_name(topic.name));
    }
    CreateTopicsResponse::default().with_topics(results)
}

async fn create(
    call: &Call,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<CreatableTopicResult, Refusal> {
    let config = read_config(topic)?;
    let partitions = partition_count(call, topic)?;
    let id = if validate_only {
        call.broker.topics.check_new(&topic.name, partitions, &config)?;
        Uuid::nil()
    } else {
        call.broker.topics.create(&topic.name, partitions, config.clone()).await?.id
    };
    let configs = KEYS.iter().map(|key| {
        let (value, source) = topic_value(key, &config);
        CreatableTopicConfigs::default()
            .with_name(key.name.into())
            .with_value(Some(value))
            .with_config_source(source as i8)
    });
    Ok(CreatableTopicResult::default()
        .with_topic_id(id)
        .with_num_partitions(partitions)
        .with_replication_factor(1)
        .with_configs(Some(configs.collect())))
}

fn read_config(topic: &CreatableTopic) -> Result<Overrides, Refusal> {
    let mut config = Overrides::new();
    for entry in &topic.configs {
        let value = entry.value.as_ref().ok_or_else(|| {
            Refusal::new(ResponseError::InvalidConfig, format!("{} has no value", entry.name))
        })?;
        config.insert(entry.name.to_string(), value.to_string());
    }
    Ok(config)
}

fn partition_count(call: &Call, topic: &CreatableTopic) -> Result<i32, Refusal> {
    if !topic.assignments.is_empty() {
        return assignment::partitions_of(topic);
    }
    if !matches!(topic.replication_factor, -1 | 1) {
        return Err(Refusal::new(
            ResponseError::InvalidReplicationFactor,
            format!(
                "replication factor {} was asked for, there is one broker, so it can only be 1",
                topic.replication_factor
            ),
        ));
    }
    Ok(match topic.num_partitions {
        -1 => call.broker.settings.default_partitions,
        partitions => partitions,
    })
}
