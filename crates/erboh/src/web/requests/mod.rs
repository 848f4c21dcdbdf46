//! A request as whoever operates the service follows it: by its id and in its trace.
//!
//! ```text
//!  x-request-id ──► RequestId (taken over or new) ──► span "request" around all that is logged ──► answer
//!  traceparent  ──► TraceContext, if it is valid  ──► headers() ──► headers of the records
//!  tracestate   ──┘
//!  the last byte of the answer ──► Metrics, and a line in the access log
//! ```
//!
//! This is the outermost layer of a service, so that refusals by the other layers have an id too.

mod access_log;
mod exchange;
mod id;
mod metrics;
mod trace_context;

use axum::extract::{Request, State};
use axum::http::Extensions;
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;
use tracing::field::Empty;

pub(super) use self::access_log::AccessLog;
use self::exchange::Exchange;
pub use self::id::{REQUEST_ID, RequestId};
pub use self::metrics::Metrics;
pub use self::trace_context::{TRACEPARENT, TRACESTATE, TraceContext};
use crate::telemetry::spans;

/// The headers that records get from the request that brings them, so that whoever reads a record
/// can go on with the trace. The names are those of HTTP, as is usual.
pub fn headers(extensions: &Extensions) -> impl Iterator<Item = (&'static str, Vec<u8>)> + use<> {
    let context = extensions.get::<TraceContext>();
    let parent = context.map(|context| (TRACEPARENT, context.parent().into()));
    let state = context.and_then(TraceContext::state).map(|state| (TRACESTATE, state.into()));
    parent.into_iter().chain(state)
}

/// The layer: notes the request's id and trace for the handlers, puts the id on the answer, and
/// watches the exchange to its end.
pub(super) async fn follow(
    State((metrics, log)): State<(Metrics, AccessLog)>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId::read(request.headers());
    // A span of the highest level is there under every log filter: a warning must not lose the
    // request that it is about. Who has written is recorded once it is known.
    let span = tracing::error_span!("request", request_id = id.as_str(), writer = Empty);
    let header = id.header();
    request.extensions_mut().insert(id);
    let context = TraceContext::read(request.headers());
    let exchange = Exchange::begin(metrics, log, span.clone(), &request, context.as_ref());
    // Where traces are sent, the records belong to our step, and that to the client's.
    let step = exchange.step().clone();
    if let Some(context) = spans::parent(&step).map(TraceContext::of).or(context) {
        request.extensions_mut().insert(context);
    }
    let request = exchange.counting(request);
    // The log's span is the inner one: it is the one that handlers add to.
    let mut response = next.run(request).instrument(span).instrument(step).await;
    response.headers_mut().insert(REQUEST_ID, header);
    exchange.answered(response)
}
