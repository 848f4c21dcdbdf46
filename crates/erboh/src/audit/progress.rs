//! Progress: how far the recount is, how fast, and how long it will take.
//!
//! ```text
//! recounting  [##########··········]  50%  1234567 of 2469134 offsets  812000/s  2 s left
//! ```
//!
//! On a terminal the line is drawn again and again, elsewhere a new one is printed now and then.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::limits::{PROGRESS_LINES, PROGRESS_TERMINAL};

/// Characters of the bar.
const BAR: i64 = 20;

/// How far the recount is; shared by all threads.
#[derive(Default)]
pub(super) struct Progress {
    done: AtomicI64,
    total: AtomicI64,
}

impl Progress {
    /// Expects so many offsets more, or fewer.
    pub(super) fn expect(&self, offsets: i64) {
        self.total.fetch_add(offsets, Ordering::Relaxed);
    }

    /// Notes that so many offsets more are done; fewer if a partition is begun anew.
    pub(super) fn advance(&self, offsets: i64) {
        self.done.fetch_add(offsets, Ordering::Relaxed);
    }

    /// Shows the progress on standard error until the other side of `end` is gone.
    pub(super) fn show(&self, end: &Receiver<()>) {
        let terminal = std::io::stderr().is_terminal();
        let pause = if terminal { PROGRESS_TERMINAL } else { PROGRESS_LINES };
        let started = Instant::now();
        let mut shown = false;
        while end.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let line = self.line(started.elapsed());
            // A reader who has gone must not end the audit.
            let _ = if terminal {
                write!(std::io::stderr(), "\r\x1b[2K{line}")
            } else {
                writeln!(std::io::stderr(), "{line}")
            };
            shown = true;
        }
        if terminal && shown {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }

    fn line(&self, elapsed: Duration) -> String {
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        let share = if total > 0 { (done as f64 / total as f64).clamp(0.0, 1.0) } else { 0.0 };
        let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
        let left = if rate >= 1.0 && total >= done {
            format!("{:.0} s left", (total - done) as f64 / rate)
        } else {
            "waiting".to_owned()
        };
        let full = (share * BAR as f64) as usize;
        format!(
            "recounting  [{}{}]  {:.0}%  {done} of {total} offsets  {rate:.0}/s  {left}",
            "#".repeat(full),
            "·".repeat(BAR as usize - full),
            share * 100.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_share_rate_and_time_left() {
        let progress = Progress::default();
        let line = progress.line(Duration::from_secs(1));
        assert!(line.ends_with("0%  0 of 0 offsets  0/s  waiting"), "{line}");
        progress.expect(1000);
        progress.advance(250);
        let line = progress.line(Duration::from_secs(5));
        let expected =
            "recounting  [#####···············]  25%  250 of 1000 offsets  50/s  15 s left";
        assert_eq!(line, expected);
    }
}
