//! The numbers of an HTTP service: how many requests, how they ended, how long they took.
//!
//! Every label has a bounded set of values, whatever clients send: methods that nobody uses are
//! `other`, and a request is counted under the template of its route, never under its path.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::web::server;

/// Upper bounds of the time a request takes, in seconds: from a page out of memory to a wait for
/// the queue. Live streams and uploads go beyond, on purpose: they last as long as they are wanted.
const SECONDS: [f64; 13] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// What was asked, as far as the numbers tell requests apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Asked {
    pub(super) method: &'static str,
    /// The template of the route, such as `/api/v1/partitions/{partition}/totals`, or `none`.
    pub(super) route: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: Arc<str>,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProblemCode {
    code: &'static str,
}

/// The numbers of one service port. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<Answered, Counter>,
    problems: Family<ProblemCode, Counter>,
    seconds: Family<Asked, Histogram>,
    in_flight: Gauge,
    connections: Gauge,
    connections_limit: Gauge,
    received: Family<Asked, Counter>,
    sent: Family<Asked, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let connections_limit = Gauge::default();
        connections_limit.set(server::connections_max() as i64);
        Self {
            requests: Family::default(),
            problems: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            connections_limit,
            received: Family::default(),
            sent: Family::default(),
        }
    }
}

impl Metrics {
    /// Registers them, with names that begin with `http_`.
    pub fn register(&self, registry: &mut Registry) {
        let http = registry.sub_registry_with_prefix("http");
        http.register(
            "requests",
            "Requests by route and by how they were answered",
            self.requests.clone(),
        );
        http.register("problems", "Refused and failed requests by why", self.problems.clone());
        http.register_with_unit(
            "request_duration",
            "Time from a request's headers to the last byte of its answer",
            Unit::Seconds,
            self.seconds.clone(),
        );
        http.register("requests_in_flight", "Requests under way", self.in_flight.clone());
        http.register("connections", "Connections that are open", self.connections.clone());
        http.register(
            "connections_limit",
            "Connections that may be open at once",
            self.connections_limit.clone(),
        );
        http.register_with_unit(
            "request_body",
            "Bytes of requests' bodies, as they came over the wire",
            Unit::Bytes,
            self.received.clone(),
        );
        http.register_with_unit(
            "response_body",
            "Bytes of answers' bodies",
            Unit::Bytes,
            self.sent.clone(),
        );
    }

    /// How many connections are open, for the server to count.
    #[must_use]
    pub fn connections(&self) -> &Gauge {
        &self.connections
    }

    pub(super) fn begin(&self) {
        self.in_flight.inc();
    }

    pub(super) fn problem(&self, code: &'static str) {
        self.problems.get_or_create(&ProblemCode { code }).inc();
    }

    pub(super) fn end(&self, asked: Asked, status: StatusCode, seconds: f64, bytes: (u64, u64)) {
        self.in_flight.dec();
        self.seconds.get_or_create(&asked).observe(seconds);
        self.received.get_or_create(&asked).inc_by(bytes.0);
        self.sent.get_or_create(&asked).inc_by(bytes.1);
        let Asked { method, route } = asked;
        self.requests.get_or_create(&Answered { method, route, status: status.as_u16() }).inc();
    }
}

/// The method as a label: a client can invent methods, and must not invent series.
pub(super) fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
