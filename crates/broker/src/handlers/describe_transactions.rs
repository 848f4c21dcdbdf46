//! `DescribeTransactions`: what transactional ids are doing (KIP-664).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TopicName,
    TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use crate::handlers::{Call, once};
use crate::transactions::{Phase, Transaction};
use crate::wire::shape::{Kind, Shape, list_of};

pub(crate) const SHAPE: Shape = Shape::new(0, &[list_of(&Kind::String)]);

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(
    call: &Call,
    mut request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    once(&mut request.transactional_ids, TransactionalId::clone);
    let states = request.transactional_ids.into_iter().map(|id| {
        let found = call.broker.transactions.look(&id, describe);
        found.unwrap_or_else(|| unknown(&id)).with_transactional_id(id)
    });
    DescribeTransactionsResponse::default().with_transaction_states(states.collect())
}

fn unknown(id: &TransactionalId) -> TransactionState {
    let error = if id.is_empty() {
        ResponseError::InvalidRequest
    } else {
        ResponseError::TransactionalIdNotFound
    };
    TransactionState::default().with_error_code(error.code())
}

/// Apache Kafka lists the partitions of its offsets topic for the groups of a transaction. Offsets
/// are in no topic here, so groups are not listed.
fn describe(transaction: &Transaction) -> TransactionState {
    let mut topics: Vec<TopicData> = Vec::new();
    for (name, index) in &transaction.partitions {
        match topics.last_mut() {
            Some(topic) if topic.topic.as_str() == name => topic.partitions.push(*index),
            _ => topics.push(
                TopicData::default()
                    .with_topic(TopicName(name.clone().into()))
                    .with_partitions(vec![*index]),
            ),
        }
    }
    // -1: there has been no transaction yet.
    let is_empty = transaction.phase == Phase::Empty;
    let started_ms = if is_empty { -1 } else { transaction.started_ms };
    TransactionState::default()
        .with_transaction_state(StrBytes::from_static_str(transaction.phase.name()))
        .with_transaction_timeout_ms(transaction.timeout_ms)
        .with_transaction_start_time_ms(started_ms)
        .with_producer_id(ProducerId(transaction.producer_id))
        .with_producer_epoch(transaction.producer_epoch)
        .with_topics(topics)
}
