//! Panics: a request whose handler panics is answered like any other error.
//!
//! Without this the connection would be closed in the middle, clients would send the same again, and no number would
//! tell. A stream that panics after its first byte still ends its connection: its status has been sent.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{ErrorPage, Problem, accepts_page, is_api, kinds, problem_page};

/// The layer: answers 500 where what is below it panics. Nothing is read of what the handler left behind, and what
/// requests share is behind locks that a panic poisons or cannot leave half changed.
pub(crate) async fn answer(request: Request, next: Next) -> Response {
    let as_page = !is_api(&request) && accepts_page(request.headers());
    let mut answering = pin!(next.run(request));
    let answered = poll_fn(|context| {
        match catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(context))) {
            Ok(answer) => answer.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    });
    let panic = match answered.await {
        Ok(response) => return response,
        Err(panic) => panic,
    };
    tracing::error!(panic = message(&*panic), "a request handler panicked; please report it");
    let problem = Problem::new(
        kinds::INTERNAL_ERROR,
        "The service failed on this request. Its log gives the reason, under the request's id.",
    );
    if as_page {
        problem_page(&problem, &ErrorPage { problem: &problem })
    } else {
        problem.into_response()
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
