//! Before every route that writes: whose token is this?
//!
//! It is asked by method and not by route, so that a route which is added later is guarded
//! without anybody remembering it. The answer comes from the headers alone: the body of a request
//! that may not write is never read.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use super::credentials::{Credentials, Refusal};
use super::metrics::Metrics;
use super::watch::{FileError, TokenFile};
use crate::limits;
use crate::web::host::Names;
use crate::web::origin::{self, Sender};
use crate::web::{self, Problem, kinds};

/// Decides who may write. Clones decide alike and share their numbers.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Without a file everybody may.
    file: Option<Arc<TokenFile>>,
    metrics: Metrics,
    refusals: Arc<Mutex<Refusals>>,
}

/// What the log has not said yet about refused requests.
#[derive(Debug, Default)]
struct Refusals {
    said: Option<Instant>,
    unsaid: u64,
}

/// The name of the token with which a request may write. Stands in the extensions of the request.
#[derive(Debug, Clone)]
pub(in crate::producer) struct Caller(Arc<str>);

impl Caller {
    pub(in crate::producer) fn name(&self) -> &str {
        &self.0
    }
}

impl Guard {
    /// Lets everybody write who reaches the service; on loopback, by a name of this machine.
    #[must_use]
    pub fn open() -> Self {
        Self::default()
    }

    /// Lets those write who have a token of this file.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn by_file(path: PathBuf) -> Result<Self, FileError> {
        Ok(Self { file: Some(Arc::new(TokenFile::open(path)?)), ..Self::default() })
    }

    /// Whether nobody may write without a token.
    #[must_use]
    pub fn needs_token(&self) -> bool {
        self.file.is_some()
    }

    /// The names that a service with this guard answers to. A foreign site that took a name for
    /// this machine has no token, so with tokens a proxy on this machine may send any name. Without
    /// them it may not, also where anyone may write: that site is not who was meant.
    pub(in crate::producer) fn names(&self, listener: &TcpListener) -> Names {
        if self.needs_token() { Names::Any } else { Names::of(listener) }
    }

    pub(in crate::producer) fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// Follows the token file for as long as it is polled; never ends.
    pub(in crate::producer) async fn follow(&self) -> Infallible {
        match &self.file {
            Some(file) => file.follow(&self.metrics).await,
            None => std::future::pending().await,
        }
    }

    /// Says in the log that requests are refused, but not more often than the limit allows.
    fn log(&self, refusal: Refusal, request: &Request) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.unsaid += 1;
        if refusals.said.is_some_and(|said| said.elapsed() < limits::REFUSAL_LOG_PAUSE) {
            return;
        }
        let requests = std::mem::take(&mut refusals.unsaid);
        refusals.said = Some(Instant::now());
        drop(refusals);
        let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let (method, reason) = (request.method(), refusal.reason());
        tracing::warn!(requests, %method, route, reason, "refused to write for want of a token");
    }
}

/// The name of whoever may write with these headers.
fn admitted(file: &TokenFile, headers: &HeaderMap) -> Result<Arc<str>, Refusal> {
    let credentials = Credentials::of(headers)?;
    let tokens = file.tokens();
    let name = tokens.name_of(&credentials.token).ok_or(Refusal::Unknown)?;
    match credentials.name {
        Some(claimed) if *claimed != **name => Err(Refusal::Unknown),
        _ => Ok(Arc::clone(name)),
    }
}

/// Lets a request through to its route, or answers 401.
pub(in crate::producer) async fn check(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(file) = guard.file.as_deref().filter(|_| writes(&request)) else {
        return next.run(request).await;
    };
    match admitted(file, request.headers()) {
        Ok(name) => {
            // The log of the request says who wrote.
            tracing::Span::current().record("writer", &*name);
            request.extensions_mut().insert(Caller(name));
            next.run(request).await
        }
        Err(refusal) => {
            guard.metrics.refused(refusal);
            guard.log(refusal, &request);
            refuse(refusal, &request)
        }
    }
}

/// Whether a request puts something on the queue or changes what does. A visit of the first page
/// does, although it is a GET: it generates ratings.
fn writes(request: &Request) -> bool {
    let visit = request.method() == axum::http::Method::GET && request.uri().path() == "/";
    visit || !origin::is_safe(request.method())
}

/// The answer 401. A browser shows its log-in box for Basic only, and a program is better served
/// by Bearer, so each is offered what it can use.
fn refuse(refusal: Refusal, request: &Request) -> Response {
    let (kind, detail) = match refusal {
        Refusal::Missing => (
            kinds::TOKEN_NEEDED,
            "Whoever rates here needs a token. A program sends it as Authorization: Bearer TOKEN; \
             in a browser it is the password. Who runs this service gives tokens out.",
        ),
        Refusal::Malformed => (
            kinds::TOKEN_REFUSED,
            "The header Authorization cannot be read. Send it once, as Bearer TOKEN, or as Basic \
             with NAME:TOKEN in base64.",
        ),
        Refusal::Unknown => (
            kinds::TOKEN_REFUSED,
            "This token is not, or not any more, one of those that may rate here, or it has \
             another name. Who runs this service gives tokens out.",
        ),
    };
    let mut answer = web::refusal(request, Problem::new(kind, detail));
    let is_api = web::is_api(request);
    if !is_api || Sender::of(request.uri(), request.headers()) != Sender::Program {
        let basic = HeaderValue::from_static(r#"Basic realm="erboh""#);
        answer.headers_mut().append(WWW_AUTHENTICATE, basic);
    }
    if is_api {
        // RFC 6750, 3.1: no error code for who brought nothing.
        let bearer = HeaderValue::from_static(match refusal {
            Refusal::Missing => r#"Bearer realm="erboh""#,
            _ => r#"Bearer realm="erboh", error="invalid_token""#,
        });
        answer.headers_mut().append(WWW_AUTHENTICATE, bearer);
    }
    answer
}
