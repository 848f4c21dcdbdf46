//! Dead letters: records that are no ratings, kept for a person to look at.
//!
//! ```text
//!   add ─► waiting ─► in flight (one batch) ─► acknowledged
//!             ▲            │ failed
//!             └────────────┘                    no snapshot is taken until both are empty
//! ```

use std::time::Instant;

use super::limits::{DEAD_LETTERS_WAITING, DEAD_LETTERS_WAITING_BYTES};
use super::retry::Retry;
use crate::queue::{self, OutRecord, Pending, SendError, Writer};
use crate::rating::Invalid;
use crate::telemetry::spans;
use crate::totals::{DeadLetter, Record};
use crate::web::requests::{TRACEPARENT, TRACESTATE};

/// A record's header: its name and its value.
pub(super) type Header = (String, Vec<u8>);

/// What a dead letter keeps of its record's headers: the trace that it belongs to, so that whoever
/// looks at it finds where it came from. Each has at most the bytes that the standard has in mind.
const TRACE_HEADERS: [(&str, usize); 2] = [(TRACEPARENT, 64), (TRACESTATE, 512)];

/// The headers of a record that name its trace.
pub(super) fn trace(record: &queue::Record<'_>) -> Vec<Header> {
    let kept = TRACE_HEADERS.into_iter().filter_map(|(name, bytes_max)| {
        let value = record.header(name).filter(|value| value.len() <= bytes_max)?;
        Some((name.to_owned(), value.to_vec()))
    });
    kept.collect()
}

/// Tells the trace of a record, if it has one, that it became a dead letter.
pub(super) fn tell(source: &str, partition: i32, offset: i64, trace: &[Header]) {
    let value = |name| {
        let (_, value) = trace.iter().find(|(found, _)| found == name)?;
        std::str::from_utf8(value).ok()
    };
    if let Some(parent) = value(TRACEPARENT) {
        spans::dead_letter(source, partition, offset, parent, value(TRACESTATE));
    }
}

/// The dead letters of one partition that are not acknowledged yet.
#[derive(Default)]
pub(super) struct DeadLetters {
    waiting: Vec<OutRecord>,
    /// Bytes of the values that wait.
    waiting_bytes: usize,
    in_flight: Option<(Vec<OutRecord>, Pending)>,
    retry: Retry,
}

impl DeadLetters {
    /// Adds a record with its trace. `source` is the topic that it stands in, `log` which log that is.
    pub(super) fn add(
        &mut self,
        source: &str,
        log: &str,
        partition: i32,
        record: Record<'_>,
        invalid: &Invalid,
        trace: Vec<Header>,
    ) {
        let letter = DeadLetter::new(source, log, partition, &record, invalid);
        self.waiting_bytes += letter.value.len();
        self.waiting.push(OutRecord {
            headers: letter.headers.into_iter().chain(trace).collect(),
            ..OutRecord::new(letter.key, letter.value)
        });
    }

    /// Whether all are acknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_none()
    }

    /// Whether so many wait that no more should be read.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= DEAD_LETTERS_WAITING
            || self.waiting_bytes >= DEAD_LETTERS_WAITING_BYTES
    }

    /// Writes what waits and takes note of acknowledgements. Returns why it does not work.
    pub(super) fn serve(&mut self, writer: &Writer, now: Instant) -> Result<(), SendError> {
        let mut outcome = Ok(());
        if let Some((batch, pending)) = &mut self.in_flight
            && let Some(results) = pending.poll()
        {
            match results.into_iter().find_map(Result::err) {
                None => self.retry.succeeded(),
                Some(error) => {
                    // Those that were acknowledged are written again, over their own keys.
                    batch.append(&mut self.waiting);
                    self.waiting = std::mem::take(batch);
                    let values = self.waiting.iter().filter_map(|record| record.value.as_ref());
                    self.waiting_bytes = values.map(Vec::len).sum();
                    self.retry.failed(now);
                    outcome = Err(error);
                }
            }
            self.in_flight = None;
        }
        if self.in_flight.is_none() && !self.waiting.is_empty() && self.retry.is_due(now) {
            let batch = std::mem::take(&mut self.waiting);
            self.waiting_bytes = 0;
            let pending = writer.post(&batch);
            self.in_flight = Some((batch, pending));
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::totals::DEAD_LETTER_BYTES_MAX;

    #[test]
    fn few_large_records_are_as_full_as_many_small_ones() {
        let check = |bytes: usize, most: usize| {
            let value = vec![b'x'; bytes];
            let mut dead = DeadLetters::default();
            let mut added = 0;
            while !dead.is_full() {
                let record =
                    Record { offset: added, timestamp_ms: 0, key: None, value: Some(&value) };
                dead.add("ratings", "log", 0, record, &Invalid::new("value", "is bad"), vec![]);
                added += 1;
            }
            assert_eq!(added as usize, most);
        };
        check(10, DEAD_LETTERS_WAITING);
        check(1024 * 1024, DEAD_LETTERS_WAITING_BYTES / DEAD_LETTER_BYTES_MAX);
    }
}
