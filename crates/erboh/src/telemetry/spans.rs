//! Spans: what this process adds to a trace, named as OpenTelemetry's conventions want it.
//!
//! ```text
//!  traceparent of the client ──► server span ──┬──► traceparent in the headers of the records
//!                                              └──► producer span around the sending
//!  traceparent of a bad record ◄──── link ──── consumer span of its dead letter
//! ```
//!
//! They are apart from the spans of the log, and exist only while traces are sent: without a
//! collector (see [`super::start`]) nobody wants them, and making one is no more than a look at a
//! flag. There is none for a single rating, since there may be a hundred thousand a second.

use tracing::{Span, field};

/// What tells these spans from those of the log.
pub(super) const TARGET: &str = "erboh::traces";

/// The `traceparent` of a step, and its `tracestate` where there is one.
pub type Parent = (String, Option<String>);

/// The step of a request that is answered here, as a part of the trace of `from` if there is one.
#[must_use]
pub fn server(method: &str, route: &str, path: &str, from: Option<(&str, Option<&str>)>) -> Span {
    let span = tracing::trace_span!(
        target: TARGET,
        parent: None,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        url.path = path,
        url.scheme = "http",
        http.response.status_code = field::Empty,
        error.r#type = field::Empty,
        otel.status_code = field::Empty,
    );
    if let Some((parent, state)) = from {
        trace::adopt(&span, parent, state);
    }
    span
}

/// Notes how the request was answered. Errors of the client are none of the server.
pub fn answered(span: &Span, status: u16) {
    // Other kinds of numbers would arrive as text.
    span.record("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.record("error.type", status.to_string());
        span.record("otel.status_code", "error");
    }
}

/// The headers that go on with the trace from this step; none where no traces are sent.
#[must_use]
pub fn parent(span: &Span) -> Option<Parent> {
    trace::parent(span)
}

/// The step of sending so many records to a topic, under the step that runs now.
#[must_use]
pub fn send(topic: &str, records: usize) -> Span {
    tracing::trace_span!(
        target: TARGET,
        "send",
        otel.name = format!("send {topic}"),
        otel.kind = "producer",
        messaging.system = "kafka",
        messaging.operation.name = "send",
        messaging.operation.r#type = "send",
        messaging.destination.name = topic,
        messaging.batch.message_count = records as i64,
    )
}

/// The step of a record that became a dead letter, if the record names its trace. It is a trace of
/// its own that leads to the record's: counting happens long after the request, and for many at once.
pub fn dead_letter(topic: &str, partition: i32, offset: i64, parent: &str, state: Option<&str>) {
    let span = tracing::trace_span!(
        target: TARGET,
        parent: None,
        "process",
        otel.name = format!("process {topic}"),
        otel.kind = "consumer",
        otel.status_code = "error",
        error.r#type = "dead-letter",
        messaging.system = "kafka",
        messaging.operation.name = "process",
        messaging.operation.r#type = "process",
        messaging.destination.name = topic,
        messaging.destination.partition.id = partition.to_string(),
        messaging.kafka.offset = offset,
    );
    trace::link(&span, parent, state);
}

/// The part that only OpenTelemetry's own crates can do.
#[cfg(feature = "otlp")]
mod trace {
    use opentelemetry::Context;
    use opentelemetry::trace::{
        SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    };
    use tracing::Span;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    pub(super) fn adopt(span: &Span, parent: &str, state: Option<&str>) {
        if let Some(context) = read(parent, state).filter(|_| !span.is_disabled()) {
            // It can only fail where no traces are sent.
            let _ = span.set_parent(Context::new().with_remote_span_context(context));
        }
    }

    pub(super) fn link(span: &Span, parent: &str, state: Option<&str>) {
        if let Some(context) = read(parent, state) {
            span.add_link(context);
        }
    }

    pub(super) fn parent(span: &Span) -> Option<super::Parent> {
        let context = span.context();
        let context = context.span().span_context().clone();
        let sampled = u8::from(context.is_sampled());
        let state = Some(context.trace_state().header()).filter(|state| !state.is_empty());
        let parent = format!("00-{}-{}-{sampled:02x}", context.trace_id(), context.span_id());
        context.is_valid().then_some((parent, state))
    }

    /// Reads headers that were checked when they came in; a record's may be anybody's.
    fn read(parent: &str, state: Option<&str>) -> Option<SpanContext> {
        let mut parts = parent.split('-').skip(1);
        let trace = TraceId::from_hex(parts.next()?).ok()?;
        let step = SpanId::from_hex(parts.next()?).ok()?;
        let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
        let state: TraceState = state.and_then(|state| state.parse().ok()).unwrap_or_default();
        let context = SpanContext::new(trace, step, TraceFlags::new(flags), true, state);
        context.is_valid().then_some(context)
    }
}

#[cfg(not(feature = "otlp"))]
mod trace {
    use tracing::Span;

    pub(super) fn adopt(_: &Span, _: &str, _: Option<&str>) {}

    pub(super) fn link(_: &Span, _: &str, _: Option<&str>) {}

    pub(super) fn parent(_: &Span) -> Option<super::Parent> {
        None
    }
}
