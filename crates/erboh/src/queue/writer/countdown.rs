//! Countdown: one for a batch of records, not one future for each record.
//!
//! ```text
//!   ticket = batch number << 16 | place in the batch     (travels through librdkafka as a number)
//!   report(ticket) ──► results[place] = …; remaining -= 1; at 0 the batch's waiter is told
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::queue::limits;

/// Bits of a ticket that hold the place in the batch.
const INDEX_BITS: u32 = limits::BATCH_RECORDS.ilog2();

/// Where a record is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The partition of the topic.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
}

/// Why a record has no place in the log, or none that is known. All records of a batch share one text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The record is definitely not in the log; sending it again later is safe.
    #[error("not written: {0}")]
    Unavailable(Arc<str>),
    /// The record may be in the log; send it again with the same id.
    #[error("outcome unknown: {0}")]
    Unknown(Arc<str>),
    /// The record is larger than the topic or the client allows; it is not in the log.
    #[error("not written: the record is larger than the topic's max.message.bytes")]
    TooLarge,
    /// The broker refuses the record, and would again; it is not in the log.
    #[error("not written: the broker refuses it: {0}")]
    Refused(Arc<str>),
}

/// The result of one record.
pub type SendResult = Result<Placed, SendError>;

struct Batch {
    results: Vec<Option<SendResult>>,
    remaining: usize,
    done: oneshot::Sender<Vec<Option<SendResult>>>,
}

#[derive(Default)]
struct State {
    batches: HashMap<usize, Batch>,
    last: usize,
}

/// The batches of one client that wait for acknowledgements.
#[derive(Clone, Default)]
pub(super) struct Countdown(Arc<Mutex<State>>);

impl Countdown {
    /// Starts the countdown of a batch of `records` records.
    ///
    /// # Panics
    /// When there are more than a ticket has places for.
    pub(super) fn start(&self, records: usize) -> Pending {
        assert!(records <= limits::BATCH_RECORDS, "a batch of {records} records");
        let (done, results) = oneshot::channel();
        if records == 0 {
            // Nobody there would mean that the caller has not got it yet.
            let _ = done.send(Vec::new());
            return Pending { number: 0, results, countdown: self.clone() };
        }
        let mut state = self.lock();
        // Wrapping keeps 48 bits of numbers, and a batch is gone after seconds.
        state.last = (state.last + 1) & (usize::MAX >> INDEX_BITS);
        let number = state.last;
        state
            .batches
            .insert(number, Batch { results: vec![None; records], remaining: records, done });
        Pending { number, results, countdown: self.clone() }
    }

    /// Notes the result of one record. A batch that nobody waits for any more is ignored.
    pub(super) fn report(&self, ticket: usize, result: SendResult) {
        let number = ticket >> INDEX_BITS;
        let mut state = self.lock();
        let Some(batch) = state.batches.get_mut(&number) else { return };
        let place = ticket & ((1 << INDEX_BITS) - 1);
        if let Some(slot @ None) = batch.results.get_mut(place) {
            *slot = Some(result);
            batch.remaining -= 1;
        }
        if batch.remaining == 0
            && let Some(batch) = state.batches.remove(&number)
        {
            // Nobody there means that the waiter gave up this instant.
            let _ = batch.done.send(batch.results);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch on its way. Dropping it forgets the batch; the records may be written all the same.
pub struct Pending {
    number: usize,
    results: oneshot::Receiver<Vec<Option<SendResult>>>,
    countdown: Countdown,
}

impl Pending {
    /// The ticket of the record at `place` of the batch.
    pub(super) fn ticket(&self, place: usize) -> usize {
        self.number << INDEX_BITS | place
    }

    /// The results, one for each record, if all of them are known; they are given out once.
    pub fn poll(&mut self) -> Option<Vec<SendResult>> {
        self.results.try_recv().ok().map(|results| finish(results, "no result"))
    }

    /// Waits at most `deadline` for all results and gives one for each record; those that are not
    /// known by then are [`SendError::Unknown`].
    ///
    /// # Panics
    /// When [`Pending::poll`] has given them out before.
    pub async fn wait(mut self, deadline: Duration) -> Vec<SendResult> {
        let late = format!("no acknowledgement within {} ms", deadline.as_millis());
        if let Ok(Ok(results)) = tokio::time::timeout(deadline, &mut self.results).await {
            return finish(results, &late);
        }
        let unfinished = self.countdown.lock().batches.remove(&self.number);
        let results = match unfinished {
            Some(batch) => batch.results,
            // The last report came between the timeout and the lock, under which it is sent.
            None => self.results.try_recv().expect("a batch that is finished has its results"),
        };
        finish(results, &late)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.countdown.lock().batches.remove(&self.number);
    }
}

fn finish(results: Vec<Option<SendResult>>, missing: &str) -> Vec<SendResult> {
    let missing = Err(SendError::Unknown(missing.into()));
    results.into_iter().map(|result| result.unwrap_or_else(|| missing.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACED: Placed = Placed { partition: 1, offset: 7 };

    #[test]
    fn is_done_when_every_record_is_reported_once() {
        let countdown = Countdown::default();
        let mut pending = countdown.start(2);
        countdown.report(pending.ticket(1), Ok(PLACED));
        countdown.report(pending.ticket(1), Err(SendError::TooLarge));
        assert!(pending.poll().is_none());
        countdown.report(pending.ticket(0), Err(SendError::TooLarge));
        assert_eq!(pending.poll(), Some(vec![Err(SendError::TooLarge), Ok(PLACED)]));
    }

    #[tokio::test]
    async fn what_is_not_reported_in_time_is_unknown() {
        let countdown = Countdown::default();
        let pending = countdown.start(2);
        countdown.report(pending.ticket(0), Ok(PLACED));
        let late = pending.ticket(1);
        let results = pending.wait(Duration::from_millis(1)).await;
        assert_eq!(results[0], Ok(PLACED));
        assert!(matches!(results[1], Err(SendError::Unknown(_))));
        countdown.report(late, Ok(PLACED));
        assert!(countdown.lock().batches.is_empty());
    }

    #[test]
    fn forgets_a_batch_that_nobody_waits_for() {
        let countdown = Countdown::default();
        let pending = countdown.start(3);
        drop(pending);
        assert!(countdown.lock().batches.is_empty());
    }
    #[test]
    fn the_last_place_of_the_largest_batch_is_its_own() {
        let countdown = Countdown::default();
        let [mut full, next] = [limits::BATCH_RECORDS, 1].map(|records| countdown.start(records));
        for place in 0..limits::BATCH_RECORDS {
            countdown.report(full.ticket(place), Ok(PLACED));
        }
        assert_eq!(full.poll().unwrap().len(), limits::BATCH_RECORDS);
        assert_eq!(countdown.lock().batches.keys().collect::<Vec<_>>(), [&next.number]);
    }

    #[test]
    #[should_panic(expected = "a batch of 65537 records")]
    fn a_batch_that_would_run_into_the_next_one_is_not_begun() {
        Countdown::default().start(limits::BATCH_RECORDS + 1);
    }
}
