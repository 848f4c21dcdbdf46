//! Range: a stretch of a partition that is read from end to end.

use std::time::{Duration, Instant};

use super::lookup::{LookupError, failed, lookup};
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
    /// When the offsets are not in the log, or no broker answers in time.
    pub fn range(
        &self,
        topic: &str,
        partition: i32,
        (from, to): (i64, i64),
        mut each: impl FnMut(&Record<'_>),
    ) -> Result<(), LookupError> {
        if from >= to {
            return Ok(());
        }
        self.add(topic, partition, from)?;
        let silence = lookup();
        let (mut heard, mut next) = (Instant::now(), from);
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
                Some(Event::Interrupted) => {
                    self.remove(topic, partition);
                    self.add(topic, partition, next)?;
                }
                Some(Event::Problem(_)) | None => {}
            }
            if heard.elapsed() > silence {
                let reason = self.down().unwrap_or_else(|| "the broker does not answer".into());
                break Err(failed("records", topic, reason));
            }
        };
        self.remove(topic, partition);
        result
    }
}
