//! `DeleteTopics`, by name or id.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};

use crate::handlers::Call;
use crate::topics::Refusal;
use crate::wire::shape::{I32, Kind, STRING, Shape, UUID, list, list_of};

pub(crate) const SHAPE: Shape = Shape::new(
    4,
    &[list![STRING, UUID].since(6), list_of(&Kind::String).until(5), I32],
);

pub(crate) async fn handle(call: &Call, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let named = request
        .topic_names
        .into_iter()
        .map(|name| DeleteTopicState::default().with_name(Some(name)));
    let mut responses = Vec::new();
    for wanted in named.chain(request.topics) {
        let mut result = DeletableTopicResult::default()
            .with_name(wanted.name.clone())
            .with_topic_id(wanted.topic_id);
        match delete(call, &wanted, &mut result).await {
            Ok(()) => {}
            Err(refusal) => {
                result.error_code = refusal.error.code();
                result.error_message = Some(refusal.message.into());
            }
        }
        responses.push(result);
    }
    DeleteTopicsResponse::default().with_responses(responses)
}

async fn delete(
    call: &Call,
    wanted: &DeleteTopicState,
    result: &mut DeletableTopicResult,
) -> Result<(), Refusal> {
    let topics = &call.broker.topics;
    if let Some(name) = &wanted.name {
        if let Some(topic) = topics.get(name) {
            result.topic_id = topic.id;
        }
        return delete_named(call, name).await;
    }
    let topic = topics.by_id(wanted.topic_id).ok_or_else(|| {
        Refusal::new(
            ResponseError::UnknownTopicId,
            format!("there is no topic with id {}", wanted.topic_id),
        )
    })?;
    result.name = Some(TopicName(topic.name.clone().into()));
    delete_named(call, &topic.name).await
}

async fn delete_named(call: &Call, name: &str) -> Result<(), Refusal> {
    call.broker.topics.delete(name).await?;
    // A later topic of the same name begins at offset 0: positions in this one would be wrong there.
    call.broker.groups.topic_deleted(name).await.map_err(|error| {
        Refusal::new(error, format!("topic {name} is deleted, its committed offsets are not"))
    })
}
