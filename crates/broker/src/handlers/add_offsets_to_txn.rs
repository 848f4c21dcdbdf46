//! `AddOffsetsToTxn`: a producer says for which group its transaction will commit offsets.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use crate::handlers::Call;
use crate::limits::ID_BYTES;
use crate::transactions::fenced_code;
use crate::wire::shape::{I16, I64, STRING, Shape};

pub(crate) const SHAPE: Shape = Shape::new(3, &[STRING, I64, I16, STRING]);

/// The first version whose clients know `PRODUCER_FENCED`.
const KNOWS_FENCED: i16 = 2;

pub(crate) async fn handle(
    call: &Call,
    request: AddOffsetsToTxnRequest,
) -> AddOffsetsToTxnResponse {
    let producer = (request.producer_id.0, request.producer_epoch);
    let outcome = if request.group_id.is_empty() || request.group_id.len() > ID_BYTES {
        Err(ResponseError::InvalidGroupId)
    } else {
        let transactions = &call.broker.transactions;
        transactions.add(&request.transactional_id, producer, &[], Some(&request.group_id)).await
    };
    let code = outcome.err().map_or(0, |error| fenced_code(error, call.version >= KNOWS_FENCED));
    AddOffsetsToTxnResponse::default().with_error_code(code)
}
