//! Every limit of the broker, each with its reason.

use std::time::Duration;

/// Bytes a connection may buffer without asking the memory budget: one read's worth, enough for
/// almost every request but Produce, so 10,000 half frames hold 40 MB at most.
pub(crate) const SMALL_FRAME_BYTES: usize = 4 * 1024;

/// A request header is never shorter: API key, API version, correlation id.
pub(crate) const SMALLEST_FRAME_BYTES: usize = 8;

/// Array elements and tagged fields in one request. A decoded element takes up to about 200 bytes
/// however short it is on the wire, so this bounds a decoded request to about 50 MB.
pub(crate) const REQUEST_ELEMENTS: usize = 250_000;

/// Requests other than Produce carry names and numbers; a few megabytes hold any honest one.
pub(crate) const PLAIN_REQUEST_BYTES: usize = 8 * 1024 * 1024;

/// Time to deliver a frame once its first byte has come: 100 MB at 2 MB/s fit.
pub(crate) const FRAME_TIME: Duration = Duration::from_secs(60);

/// Longest silence within a frame. A sender that stalls holds memory that others wait for.
pub(crate) const FRAME_SILENCE: Duration = Duration::from_secs(10);

/// Longest wait for room in the memory budget; then the connection is closed and its client
/// tries again later, as it does after any lost connection.
pub(crate) const MEMORY_WAIT: Duration = Duration::from_secs(20);

/// Time a client has to take its answer. A reader that stalls holds the answer's memory.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(30);

/// A connection without requests is closed after this time, as Apache Kafka's
/// `connections.max.idle.ms` does by default.
pub(crate) const IDLE_TIME: Duration = Duration::from_secs(600);

/// Time for requests in progress to finish once the broker is asked to stop.
pub(crate) const STOP_GRACE: Duration = Duration::from_millis(1500);

/// Pause after a failed accept. The usual cause is that the process has no file descriptor left,
/// which passes when connections close; trying again at once would take a whole core.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
