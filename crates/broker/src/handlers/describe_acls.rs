//! `DescribeAcls`: the broker has no authorizer, and says so as Apache Kafka without one does. Consoles
//! ask this first and then show no page of rights.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{DescribeAclsRequest, DescribeAclsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::handlers::Call;
use crate::wire::shape::{I8, STRING, Shape};

pub(crate) const SHAPE: Shape = Shape::new(2, &[I8, STRING, I8, STRING, STRING, I8, I8]);

const NO_AUTHORIZER: &str = "this broker has no authorizer: every client may do everything";

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(_: &Call, _: DescribeAclsRequest) -> DescribeAclsResponse {
    DescribeAclsResponse::default()
        .with_error_code(ResponseError::SecurityDisabled.code())
        .with_error_message(Some(StrBytes::from_static_str(NO_AUTHORIZER)))
}
