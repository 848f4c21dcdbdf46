//! `DescribeUserScramCredentials`: the broker has no log-in, so there are no users (KIP-554).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_user_scram_credentials_response::DescribeUserScramCredentialsResult;
use kafka_protocol::messages::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::handlers::{Call, once};
use crate::wire::shape::{STRING, Shape, list};

pub(crate) const SHAPE: Shape = Shape::new(0, &[list![STRING]]);

const NO_SUCH_USER: &str = "there is no such user: this broker has no log-in";

#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(
    _: &Call,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    // Null and an empty list mean all users.
    let mut named = request.users.unwrap_or_default();
    once(&mut named, |user| user.name.clone());
    let results = named.into_iter().map(|user| {
        DescribeUserScramCredentialsResult::default()
            .with_user(user.name)
            .with_error_code(ResponseError::ResourceNotFound.code())
            .with_error_message(Some(StrBytes::from_static_str(NO_SUCH_USER)))
    });
    DescribeUserScramCredentialsResponse::default().with_results(results.collect())
}
