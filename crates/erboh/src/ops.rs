//! What whoever operates a role asks it: is it alive, can it serve, what are its numbers.
//!
//! `/livez` says whether the process can still do its work, or is to be restarted; `/readyz` from the time on
//! that this replica may serve until it stops; `/metrics` is what Prometheus and others scrape. They stand on
//! a port of their own, so that they are never offered to the public by accident.

mod exposition;
mod process;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router, middleware};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::exposition::Format;
use crate::web::host::Names;
use crate::{limits, web};

/// Says whether a role can serve, and if not, why. A role that can may have trouble all the same.
pub type ReadyCheck = Arc<dyn Fn() -> Result<Option<String>, String> + Send + Sync>;

/// Says whether a role can still do its work, and if not, why: its process is to be started again then.
pub type LiveCheck = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Ready for good once `begun` has found nothing wrong: trouble that comes later, such as a cluster
/// that is away, is every replica's, and a service without any replica helps nobody.
#[must_use]
pub fn once(
    begun: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    trouble: impl Fn() -> Option<String> + Send + Sync + 'static,
) -> ReadyCheck {
    let has_begun = AtomicBool::new(false);
    Arc::new(move || {
        if !has_begun.load(Ordering::Relaxed) {
            begun()?;
            has_begun.store(true, Ordering::Relaxed);
        }
        Ok(trouble())
    })
}

/// How a role stops after it was told to.
#[derive(Debug, Clone, Copy)]
pub struct Stopping {
    /// How long it stays reachable while it says that it is not ready any more.
    pub wait: Duration,
    /// How long requests under way may take to finish after that.
    pub drain: Duration,
}

impl Default for Stopping {
    fn default() -> Self {
        Self { wait: Duration::ZERO, drain: limits::DRAIN }
    }
}

/// What one role shows on its ops port.
#[derive(Clone)]
pub struct Ops {
    registry: Arc<Mutex<Registry>>,
    ready: ReadyCheck,
    alive: LiveCheck,
    stopping: CancellationToken,
}

impl Ops {
    /// Shows the numbers in `registry`, and is ready while `ready` says so and `stopping` is not
    /// cancelled.
    #[must_use]
    pub fn new(registry: Registry, ready: ReadyCheck, stopping: CancellationToken) -> Self {
        let alive = Arc::new(|| Ok(()));
        Self { registry: Arc::new(Mutex::new(registry)), ready, alive, stopping }
    }

    /// Alive while `alive` says so; without it for as long as it answers at all.
    #[must_use]
    pub fn while_alive(mut self, alive: LiveCheck) -> Self {
        self.alive = alive;
        self
    }

    fn readiness(&self) -> Result<Option<String>, String> {
        if self.stopping.is_cancelled() {
            return Err("stopping".to_owned());
        }
        (self.alive)()?;
        (self.ready)()
    }
}

/// A registry with the numbers that every role has; `fill` adds the role's own, whose names begin
/// with `erboh_` and the role.
#[must_use]
pub fn registry(
    role: &str,
    http: &web::requests::Metrics,
    fill: impl FnOnce(&mut Registry),
) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(process::Process));
    let erboh = registry.sub_registry_with_prefix("erboh");
    // Not of the type info, which only OpenMetrics has.
    let build = Family::<[(&str, &str); 1], Gauge>::default();
    build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
    erboh.register("build_info", "What is running; always 1", build);
    http.register(erboh);
    fill(erboh.sub_registry_with_prefix(role));
    registry
}

/// Runs a role with its ops port, if it has one; the ops port answers until the role has ended,
/// so that whoever operates it sees it stop.
pub async fn with_ops(listener: Option<TcpListener>, ops: Ops, role: impl Future<Output = ()>) {
    let Some(listener) = listener else { return role.await };
    let ended = CancellationToken::new();
    let router = router(ops)
        .layer(middleware::from_fn(web::host::check))
        .layer(middleware::from_fn(web::panics::answer))
        .layer(Extension(Names::of(&listener)));
    // The service port's connections are of interest, not these few.
    let open = Gauge::default();
    let server = web::server::serve(listener, router, &open, ended.clone(), limits::OPS_DRAIN);
    tokio::join!(server, async {
        role.await;
        ended.cancel();
    });
}

/// A token that is cancelled some time after `shutdown` was: meanwhile the role says that it is
/// not ready but still serves whoever has not heard.
#[must_use]
pub fn after(shutdown: CancellationToken, wait: Duration) -> CancellationToken {
    let later = CancellationToken::new();
    let token = later.clone();
    tokio::spawn(async move {
        shutdown.cancelled().await;
        tokio::time::sleep(wait).await;
        token.cancel();
    });
    later
}

/// The routes of the ops port.
pub fn router(ops: Ops) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(ops)
}

async fn livez(State(ops): State<Ops>) -> (StatusCode, String) {
    match (ops.alive)() {
        Ok(()) => (StatusCode::OK, "alive\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not alive: {reason}\n")),
    }
}

async fn readyz(State(ops): State<Ops>) -> (StatusCode, String) {
    match ops.readiness() {
        Ok(None) => (StatusCode::OK, "ready\n".to_owned()),
        Ok(Some(trouble)) => (StatusCode::OK, format!("ready\ntrouble: {trouble}\n")),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn metrics(State(ops): State<Ops>, headers: HeaderMap) -> Response {
    let format = Format::accepted(&headers);
    // A panic elsewhere cannot leave the registry half changed: it is only read here.
    let registry = ops.registry.lock().unwrap_or_else(PoisonError::into_inner);
    match format.write(&registry) {
        Ok(text) => {
            let kind = (CONTENT_TYPE, format.content_type());
            ([kind, (VARY, ACCEPT.as_str())], text).into_response()
        }
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("metrics: {error}\n")).into_response()
        }
    }
}
