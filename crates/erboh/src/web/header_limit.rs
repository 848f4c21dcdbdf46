//! How many headers a request may have, and how large they may be.
//!
//! ```text
//!  up to HEADER_LINES_MAX lines and CONNECTION_BUFFER_BYTES    served
//!  more                                                       431 headers-too-large
//!  more than the server reads (see limits.rs)                 431 without a body
//! ```

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;

use super::{Problem, kinds, refusal};
use crate::limits::{CONNECTION_BUFFER_BYTES, HEADER_LINES_MAX};

/// Bytes of a header line besides its name and its value: `: ` and `\r\n`.
const LINE_BYTES: usize = 4;

/// Lets through what keeps both limits.
pub(super) async fn check(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let (lines, bytes) = (headers.len(), bytes(headers));
    if lines <= HEADER_LINES_MAX && bytes <= CONNECTION_BUFFER_BYTES {
        return next.run(request).await;
    }
    let detail = format!(
        "A request has at most {HEADER_LINES_MAX} header lines with {CONNECTION_BUFFER_BYTES} bytes \
         in all; this one has {lines} with {bytes}."
    );
    refusal(&request, Problem::new(kinds::HEADERS_TOO_LARGE, detail))
}

fn bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + LINE_BYTES).sum()
}
