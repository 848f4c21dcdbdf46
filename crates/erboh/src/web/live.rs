//! Live: streams of server-sent events, no more at once than there are places.
//!
//! ```text
//!  Streams ─► place() ─┬─► 503 too-many-streams
//!                      └─► Place ─► event(), event(), … ─► answer() ─► the browser
//! ```

use std::convert::Infallible;
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Problem, kinds};
use crate::limits;

/// Keeps proxies from collecting the stream before they pass it on.
const BUFFERING: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// The live streams of one service, at most [`limits::STREAMS_MAX`]. Clones share the places.
#[derive(Debug, Clone)]
pub struct Streams(Arc<Semaphore>);

/// The right to have a stream open; given back when it is dropped, so the stream keeps it.
pub type Place = OwnedSemaphorePermit;

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(limits::STREAMS_MAX)))
    }
}

impl Streams {
    /// A place for one more.
    ///
    /// # Errors
    /// `too-many-streams`, 503, where there is none.
    pub fn place(&self) -> Result<Place, Problem> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| {
            Problem::new(
                kinds::TOO_MANY_STREAMS,
                "As many live pages as this service serves are open. Reload the page now and then.",
            )
            .retry_after(limits::RETRY_AFTER)
        })
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        limits::STREAMS_MAX - self.0.available_permits()
    }
}

/// An event with this name and data; none, with a line in the log, where the data is no JSON.
#[must_use]
pub fn event(name: &str, data: &impl Serialize) -> Option<Event> {
    let event = Event::default().event(name).retry(limits::EVENT_RECONNECT).json_data(data);
    event.inspect_err(|error| tracing::error!(%error, "an event could not be written")).ok()
}

/// The answer that tells these events. While there are none it says now and then that it lives.
pub fn answer(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let keep_alive = KeepAlive::new().interval(limits::EVENT_KEEP_ALIVE);
    let events = Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(keep_alive);
    ([BUFFERING], events).into_response()
}
