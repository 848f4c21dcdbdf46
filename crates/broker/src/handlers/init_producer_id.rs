//! `InitProducerId`: the id and epoch under which a producer writes; with a transactional id, also
//! the fencing of whoever had it before.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use crate::handlers::Call;
use crate::limits::{ID_BYTES, TRANSACTION_TIMEOUT_MS_MAX};
use crate::transactions::{fenced_code, init_producer};
use crate::wire::shape::{I16, I32, I64, STRING, Shape};

pub(crate) const SHAPE: Shape = Shape::new(2, &[STRING, I32, I64.since(3), I16.since(3)]);

/// The first version whose clients know `PRODUCER_FENCED`.
const KNOWS_FENCED: i16 = 4;

pub(crate) async fn handle(call: &Call, request: InitProducerIdRequest) -> InitProducerIdResponse {
    match init(call, &request).await {
        Ok((id, epoch)) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch),
        Err(error) => InitProducerIdResponse::default()
            .with_error_code(fenced_code(error, call.version >= KNOWS_FENCED))
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1),
    }
}

async fn init(
    call: &Call,
    request: &InitProducerIdRequest,
) -> Result<(i64, i16), ResponseError> {
    let held = match (request.producer_id.0, request.producer_epoch) {
        (-1, -1) => None,
        (id, epoch) if id >= 0 && epoch >= 0 => Some((id, epoch)),
        _ => return Err(ResponseError::InvalidRequest),
    };
    let Some(transactional_id) = &request.transactional_id else {
        // Without a transactional id nobody needs to be fenced: everyone gets an id of their own.
        return Ok((call.broker.transactions.new_producer_id().await?, 0));
    };
    if transactional_id.is_empty() || transactional_id.len() > ID_BYTES {
        return Err(ResponseError::InvalidRequest);
    }
    if !(1..=TRANSACTION_TIMEOUT_MS_MAX).contains(&request.transaction_timeout_ms) {
        return Err(ResponseError::InvalidTransactionTimeout);
    }
    init_producer(&call.broker, transactional_id, held, request.transaction_timeout_ms).await
}
