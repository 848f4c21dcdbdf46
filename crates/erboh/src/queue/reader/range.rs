//! Range: a stretch of a partition that is read from end to end.

use std::time::{Duration, Instant};

use super::lookup::{Fault, LookupError, failed, faulty, lookup};
use super::{Event, Reader};
use crate::queue::limits;
use crate::queue::record::Record;
use crate::queue::settings::{KafkaSettings, SettingsError};

impl Reader {
    /// A reader for [`Reader::range`]: it does not wait for new records, so that one range after
    /// the other comes quickly.
    ///
    /// # Errors
    /// Only settings that librdkafka does not take.
    pub fn for_ranges(settings: &KafkaSettings, group: &str) -> Result<Self, SettingsError> {
        Self::create(settings, group, limits::RANGE_FETCH_WAIT_MS)
    }

    /// Reads the records of a partition from `from` to before `to`, or to the end of the log if
    /// that comes first, and gives each to `each`. The reader must read nothing else meanwhile.
    ///
    /// # Errors
    /// When something is wrong with the log ([`LookupError::fault`]), or no broker answers in time.
    pub fn range(
        &self,
        topic: &str,
        partition: i32,
        (from, to): (i64, i64),
        each: impl FnMut(&Record<'_>),
    ) -> Result<(), LookupError> {
        self.read_within(lookup(), topic, partition, (from, to), each)
    }

    /// Whether the records of a partition from `from` to before `to` can be read. It is sooner
    /// certain than [`Reader::range`] that nothing comes.
    ///
    /// # Errors
    /// As [`Reader::range`].
    pub fn check(
        &self,
        topic: &str,
        partition: i32,
        (from, to): (i64, i64),
    ) -> Result<(), LookupError> {
        self.read_within(limits::CHECK_SILENCE, topic, partition, (from, to), |_| {})
    }

    fn read_within(
        &self,
        silence: Duration,
        topic: &str,
        partition: i32,
        (from, to): (i64, i64),
        mut each: impl FnMut(&Record<'_>),
    ) -> Result<(), LookupError> {
        if from >= to {
            return Ok(());
        }
        self.add(topic, partition, from)?;
        let (mut heard, mut next, mut problem) = (Instant::now(), from, None);
        let result = loop {
            match self.poll(Duration::from_millis(limits::POLL_MS)) {
                Some(Event::Record(record)) => {
                    heard = Instant::now();
                    next = record.offset() + 1;
                    if record.offset() < to {
                        each(&record);
                    }
                    if record.offset() >= to - 1 {
                        break Ok(());
                    }
                }
                Some(Event::End(_)) => break Ok(()),
                Some(Event::Lost(reason) | Event::Denied(reason)) => {
                    break Err(failed("records", topic, reason));
                }
                Some(Event::Unreadable(reason)) => {
                    break Err(faulty(topic, Fault::Unreadable(next), reason));
                }
                Some(Event::OutOfRange(reason)) => {
                    let (start, end) = self.watermarks(topic, partition)?;
                    if !(start..=end).contains(&next) {
                        break Err(faulty(topic, Fault::OutOfRange(next), reason));
                    }
                    // It was about a partition that was read before.
                    self.remove(topic, partition);
                    self.add(topic, partition, next)?;
                }
                Some(Event::Interrupted) => {
                    self.remove(topic, partition);
                    self.add(topic, partition, next)?;
                }
                Some(Event::Problem(reason)) => problem = Some(reason),
                None => {}
            }
            if heard.elapsed() > silence {
                break Err(self.silent(topic, partition, next, problem));
            }
        };
        self.remove(topic, partition);
        result
    }

    /// Why nothing comes from `next` on. A batch that librdkafka cannot decode makes it fetch the
    /// same bytes again and again and say nothing; then the broker answers other questions, and
    /// says that there is more.
    fn silent(
        &self,
        topic: &str,
        partition: i32,
        next: i64,
        problem: Option<String>,
    ) -> LookupError {
        if let Some(reason) = self.down() {
            return failed("records", topic, reason);
        }
        match self.watermarks(topic, partition) {
            Ok((_, end)) if end > next => {
                let nothing = || format!("the log goes on to offset {end}, but nothing comes");
                faulty(topic, Fault::Unreadable(next), problem.unwrap_or_else(nothing))
            }
            Ok(_) => failed("records", topic, "the broker does not answer".into()),
            Err(error) => error,
        }
    }
}
