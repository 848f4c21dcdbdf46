//! The access log: one line for each request, when its last byte is out.
//!
//! ```text
//!  changed or refused something, or was cut off ─► info, at most so many lines a second
//!  everything else                              ─► debug
//! ```
//!
//! A producer that takes a flood must not answer it with a flood of lines. What was left out is
//! counted and said; the numbers under `/metrics` have every request.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::Span;

use crate::limits;

/// The lines of the second that runs.
#[derive(Debug, Clone)]
pub(in crate::web) struct AccessLog(Arc<Mutex<Second>>);

#[derive(Debug)]
struct Second {
    began: Instant,
    lines: u32,
    left_out: u64,
}

/// What a line says.
pub(super) struct Line<'a> {
    pub(super) method: &'static str,
    pub(super) route: &'a str,
    pub(super) path: &'a str,
    pub(super) status: u16,
    pub(super) problem: Option<&'static str>,
    pub(super) took: Duration,
    /// Received and sent, bodies only.
    pub(super) bytes: (u64, u64),
    pub(super) complete: bool,
    pub(super) notable: bool,
}

macro_rules! write_line {
    ($level:expr, $line:expr) => {
        tracing::event!(
            target: "erboh::access",
            $level,
            method = $line.method,
            path = $line.path,
            route = $line.route,
            status = $line.status,
            problem = $line.problem,
            duration_ms = $line.took.as_micros() as f64 / 1e3,
            request_bytes = $line.bytes.0,
            response_bytes = $line.bytes.1,
            complete = $line.complete,
            "request"
        )
    };
}

impl Default for AccessLog {
    fn default() -> Self {
        let second = Second { began: Instant::now(), lines: 0, left_out: 0 };
        Self(Arc::new(Mutex::new(second)))
    }
}

impl AccessLog {
    /// Writes the line of a request, inside of its span.
    pub(super) fn write(&self, span: &Span, line: &Line<'_>) {
        // Named as the event's parent, the span would be missing from a JSON line.
        let _entered = span.enter();
        if !line.notable {
            return write_line!(tracing::Level::DEBUG, line);
        }
        let (room, left_out) = self.take(Instant::now());
        if left_out > 0 {
            tracing::info!(target: "erboh::access", parent: None, left_out, "requests without a line of their own");
        }
        if room {
            write_line!(tracing::Level::INFO, line);
        } else {
            write_line!(tracing::Level::DEBUG, line);
        }
    }

    /// Whether there is room for a line, and how many the seconds before had no room for.
    fn take(&self, now: Instant) -> (bool, u64) {
        // Nothing in here panics; should it, the numbers are still numbers.
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left_out = 0;
        if now.duration_since(second.began) >= Duration::from_secs(1) {
            left_out = second.left_out;
            *second = Second { began: now, lines: 0, left_out: 0 };
        }
        let room = second.lines < limits::ACCESS_LINES_PER_SECOND;
        if room {
            second.lines += 1;
        } else {
            second.left_out += 1;
        }
        (room, left_out)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::AccessLog;
    use crate::limits::ACCESS_LINES_PER_SECOND;

    #[test]
    fn a_flood_leaves_a_few_lines_and_a_count() {
        let log = AccessLog::default();
        let start = Instant::now();
        let flood = 10 * ACCESS_LINES_PER_SECOND;
        let lines = (0..flood).filter(|_| log.take(start).0).count();
        assert_eq!(lines, ACCESS_LINES_PER_SECOND as usize);
        let later = start + Duration::from_secs(2);
        assert_eq!(log.take(later), (true, u64::from(flood - ACCESS_LINES_PER_SECOND)));
        assert_eq!(log.take(later), (true, 0), "it is said once");
    }
}
