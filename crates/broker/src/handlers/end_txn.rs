//! `EndTxn`: commits or aborts a transaction.

use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse};

use crate::handlers::Call;
use crate::transactions::{end, fenced_code};
use crate::wire::shape::{BOOL, I16, I64, STRING, Shape};

pub(crate) const SHAPE: Shape = Shape::new(3, &[STRING, I64, I16, BOOL]);

/// The first version whose clients know `PRODUCER_FENCED`.
const KNOWS_FENCED: i16 = 2;

pub(crate) async fn handle(call: &Call, request: EndTxnRequest) -> EndTxnResponse {
    let producer = (request.producer_id.0, request.producer_epoch);
    let id = &request.transactional_id;
    let outcome = end(&call.broker, id, producer, request.committed).await;
    let code = outcome.err().map_or(0, |error| fenced_code(error, call.version >= KNOWS_FENCED));
    EndTxnResponse::default().with_error_code(code)
}
