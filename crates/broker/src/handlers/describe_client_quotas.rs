//! `DescribeClientQuotas`: no client has a quota here (KIP-546).

use kafka_protocol::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};

use crate::handlers::Call;
use crate::wire::shape::{BOOL, I8, STRING, Shape, list};

pub(crate) const SHAPE: Shape = Shape::new(1, &[list![STRING, I8, STRING], BOOL]);

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(
    _: &Call,
    _: DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
    // Null would mean that the question failed.
    DescribeClientQuotasResponse::default().with_entries(Some(Vec::new()))
}
