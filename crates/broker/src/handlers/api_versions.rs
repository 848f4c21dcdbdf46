//! `ApiVersions`: which APIs at which versions this broker serves.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, ProduceRequest};
use kafka_protocol::protocol::Request;

use crate::handlers::{APIS, Call};
use crate::wire::shape::{STRING, Shape};

pub(crate) const SHAPE: Shape = Shape::new(3, &[STRING.since(3), STRING.since(3)]);

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(_: &Call, _: ApiVersionsRequest) -> ApiVersionsResponse {
    served()
}

/// The answer to a version of `ApiVersions` itself that is not served.
pub(crate) fn unsupported() -> ApiVersionsResponse {
    served().with_error_code(ResponseError::UnsupportedVersion.code())
}

fn served() -> ApiVersionsResponse {
    let versions = APIS.iter().map(|api| {
        ApiVersion::default()
            .with_api_key(api.key)
            .with_min_version(advertised_first(api.key, api.first))
            .with_max_version(api.last)
    });
    ApiVersionsResponse::default().with_api_keys(versions.collect())
}

/// Produce is advertised from version 0, though it is served from 3: librdkafka before 2.9 takes a
/// broker without the old versions for one that cannot compress. Apache Kafka 4 does the same
/// (KAFKA-18659); no client picks them, because they pick the newest.
fn advertised_first(key: i16, first: i16) -> i16 {
    if key == <ProduceRequest as Request>::KEY { 0 } else { first }
}
