//! `DeleteGroups`: groups without members go, with their offsets.

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use crate::groups::error_code;
use crate::handlers::Call;
use crate::wire::shape::{Kind, Shape, list_of};

pub(crate) const SHAPE: Shape = Shape::new(2, &[list_of(&Kind::String)]);

pub(crate) async fn handle(call: &Call, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::new();
    for id in request.groups_names {
        let outcome = call.broker.groups.delete(&id).await;
        results.push(
            DeletableGroupResult::default()
                .with_group_id(id)
                .with_error_code(error_code(outcome)),
        );
    }
    DeleteGroupsResponse::default().with_results(results)
}
