//! `ListTransactions`: every transactional id, filtered by state, producer id, age (KIP-994) and a
//! pattern of the id (KIP-1152).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_transactions_response::TransactionState;
use kafka_protocol::messages::{
    ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use regex::{Regex, RegexBuilder};

use crate::handlers::Call;
use crate::limits::PATTERN_PROGRAM_BYTES;
use crate::time::now_ms;
use crate::transactions::{Listing, Phase};
use crate::wire::shape::{I64, Kind, STRING, Shape, list_of};

pub(crate) const SHAPE: Shape = Shape::new(
    0,
    &[list_of(&Kind::String), list_of(&Kind::Fixed(8)), I64.since(1), STRING.since(2)],
);

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(
    call: &Call,
    request: ListTransactionsRequest,
) -> ListTransactionsResponse {
    let pattern = request.transactional_id_pattern.as_deref().filter(|text| !text.is_empty());
    let Ok(pattern) = pattern.map(whole).transpose() else {
        return ListTransactionsResponse::default()
            .with_error_code(ResponseError::InvalidRegularExpression.code());
    };
    let mut unknown = request.state_filters.clone();
    unknown.retain(|name| Phase::ALL.iter().all(|phase| phase.name() != name.as_str()));
    let now_ms = now_ms();
    let passes = |listed: &Listing| {
        let states = &request.state_filters;
        let producers = &request.producer_id_filters;
        (states.is_empty() || states.iter().any(|name| name.as_str() == listed.phase.name()))
            && (producers.is_empty() || producers.contains(&ProducerId(listed.producer_id)))
            && (request.duration_filter < 0
                || listed.running_ms(now_ms).is_some_and(|age| age > request.duration_filter))
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(&listed.id))
    };
    let mut listed = call.broker.transactions.list();
    listed.retain(passes);
    let states = listed.into_iter().map(|listed| {
        TransactionState::default()
            .with_transactional_id(TransactionalId(listed.id.into()))
            .with_producer_id(ProducerId(listed.producer_id))
            .with_transaction_state(StrBytes::from_static_str(listed.phase.name()))
    });
    ListTransactionsResponse::default()
        .with_unknown_state_filters(unknown)
        .with_transaction_states(states.collect())
}

/// A pattern that has to match a whole id. It must be one by itself: a lone parenthesis could
/// otherwise end the group around it.
fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    let compile = |text: &str| RegexBuilder::new(text).size_limit(PATTERN_PROGRAM_BYTES).build();
    compile(pattern)?;
    compile(&format!(r"\A(?:{pattern})\z"))
}
