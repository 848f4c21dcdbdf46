//! The producer's pages for people.
//!
//! ```text
//!  GET /       hit    20 ratings by simulated researchers, and where each is
//!  GET /rate   form   a rating of one's own ──► POST /rate
//! ```

pub(super) mod fields;
pub mod form;
pub mod hit;
mod trouble;
mod typed;

use axum::http::Extensions;

use super::Producer;
use super::intake::Busy;
use crate::queue::{Batch, SendResult};
use crate::rating::{Rating, RatingId};
use crate::web::requests;

/// Sends what a page's request has led to and waits for the results, which stand in the order of
/// the ratings. The records carry the request's trace.
async fn send(
    producer: &Producer,
    ratings: &[(RatingId, Rating)],
    request: &Extensions,
) -> Result<Vec<SendResult>, Busy> {
    let mut batch = Batch::new();
    for (id, rating) in ratings {
        batch.push(id.to_string().as_bytes(), &rating.to_json());
    }
    for (name, value) in requests::headers(request) {
        batch.header(name, &value);
    }
    producer.intake.send(batch).await
}
