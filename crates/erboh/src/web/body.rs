//! Body: what a request brings besides its headers, as far as all routes treat it alike.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;

use super::{Problem, kinds};

/// What `reading` a body comes to, if it takes no longer than `time`: whoever sends a byte now and
/// then would otherwise have a connection for ever.
///
/// # Errors
/// `body-too-slow`, 408.
pub async fn in_time<T>(time: Duration, reading: impl Future<Output = T>) -> Result<T, Problem> {
    tokio::time::timeout(time, reading).await.map_err(|_| {
        let detail = format!("The body did not arrive within {} s.", time.as_secs());
        Problem::new(kinds::BODY_TOO_SLOW, detail)
    })
}

/// What a request calls its body, without parameters; empty if it does not say. Upper and lower
/// case mean the same.
#[must_use]
pub fn media_type(headers: &HeaderMap) -> &str {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or("not readable"));
    kind.unwrap_or_default().split(';').next().unwrap_or_default().trim()
}
