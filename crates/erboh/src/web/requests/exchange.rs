//! An exchange: one request and its answer, watched until the last byte is out.
//!
//! ```text
//!  begin ─► handler ─► answered(status) ─► body, frame by frame ─► dropped: numbers, access line
//!              └─────── client gone ───────────┴──────────────────────┘
//! ```
//!
//! The end is wherever the server drops it, so that a client that goes away is counted too.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::StatusCode;
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tracing::Span;

use super::access_log::{AccessLog, Line};
use super::metrics::{self, Asked, Metrics};
use super::trace_context::TraceContext;
use crate::telemetry::spans;
use crate::web::problem::Code;

/// What a request is counted as whose client went away before there was an answer; other servers
/// use this number too.
const CLIENT_GONE: u16 = 499;
/// A route that does not exist.
const NO_ROUTE: &str = "none";
/// Of a longer path the log has the beginning.
const PATH_BYTES_MAX: usize = 256;

/// A request that is under way.
pub(super) struct Exchange {
    metrics: Metrics,
    log: AccessLog,
    span: Span,
    step: Span,
    asked: Asked,
    path: String,
    safe: bool,
    started: Instant,
    status: StatusCode,
    problem: Option<Code>,
    received: Arc<AtomicU64>,
    sent: u64,
    complete: bool,
}

impl Exchange {
    /// Watches a request; `span` is what its log lines stand in, `context` the trace of its sender.
    pub(super) fn begin(
        metrics: Metrics,
        log: AccessLog,
        span: Span,
        request: &Request,
        context: Option<&TraceContext>,
    ) -> Self {
        metrics.begin();
        let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str);
        let path = request.uri().path();
        let path = &path[..path.floor_char_boundary(PATH_BYTES_MAX)];
        let method = metrics::label(request.method());
        let context = context.map(|context| (context.parent(), context.state()));
        Self {
            metrics,
            log,
            span,
            step: spans::server(method, route, path, context),
            asked: Asked { method, route: route.into() },
            path: path.to_owned(),
            safe: request.method().is_safe(),
            started: Instant::now(),
            status: StatusCode::from_u16(CLIENT_GONE).unwrap_or_default(),
            problem: None,
            received: Arc::default(),
            sent: 0,
            complete: false,
        }
    }

    /// Its step in the trace.
    pub(super) fn step(&self) -> &Span {
        &self.step
    }

    /// The request with a body whose bytes are counted.
    pub(super) fn counting(&self, request: Request) -> Request {
        let received = Arc::clone(&self.received);
        request.map(|body| Body::new(Incoming { body, received }))
    }

    /// The answer with a body that carries the exchange to its end.
    pub(super) fn answered(mut self, response: Response) -> Response {
        self.status = response.status();
        self.problem = response.extensions().get().copied();
        response.map(|body| {
            self.complete = body.is_end_stream();
            Body::new(Outgoing { body, exchange: self })
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        spans::answered(&self.step, self.status.as_u16());
        let received = self.received.load(Ordering::Relaxed);
        let bytes = (received, self.sent);
        if let Some(Code(code)) = self.problem {
            self.metrics.problem(code);
        }
        self.metrics.end(self.asked.clone(), self.status, took.as_secs_f64(), bytes);
        self.log.write(
            &self.span,
            &Line {
                method: self.asked.method,
                route: &self.asked.route,
                path: &self.path,
                status: self.status.as_u16(),
                problem: self.problem.map(|Code(code)| code),
                took,
                bytes,
                complete: self.complete,
                notable: !self.safe || self.status.as_u16() >= 400 || !self.complete,
            },
        );
    }
}

type PolledFrame<E> = Poll<Option<Result<Frame<Bytes>, E>>>;

/// A request's body, counted.
struct Incoming {
    body: Body,
    received: Arc<AtomicU64>,
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame<axum::Error> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.received.fetch_add(length(frame.as_ref()), Ordering::Relaxed);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, with the exchange that ends with it.
struct Outgoing {
    body: Body,
    exchange: Exchange,
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame<axum::Error> {
        let (span, step) = (self.exchange.span.clone(), self.exchange.step.clone());
        // What a stream logs while it is read belongs to its request.
        let poll = || span.in_scope(|| Pin::new(&mut self.body).poll_frame(cx));
        let frame = ready!(step.in_scope(poll));
        self.exchange.sent += length(frame.as_ref());
        // The server does not ask again after the last frame of a body whose length it knows.
        self.exchange.complete = frame.is_none() || self.body.is_end_stream();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn length<E>(frame: Option<&Result<Frame<Bytes>, E>>) -> u64 {
    let data = frame.and_then(|frame| frame.as_ref().ok()?.data_ref());
    data.map_or(0, |data| data.len() as u64)
}
