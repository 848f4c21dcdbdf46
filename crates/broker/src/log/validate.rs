//! What a client's batch has to be for the log to take it. Every record is looked at, as in Apache
//! Kafka: an unreadable one would hold up every consumer of its partition.
//!
//! ```text
//!  bytes ──► batches ──► header, checksum ──► records, as they come out of the codec ──► newest timestamp
//! ```
//!
//! Keys, values and headers are stepped over, never held: a batch takes the memory of its codec and of
//! one window, however large it gets when decompressed.

use super::batch::{Batch, BatchError, Header};
use super::codec::{self, Reader};
use super::config::LogConfig;
use super::error::{AppendError, InvalidRecords, RecordError, RecordFault};
use crate::limits::DECOMPRESSED_BATCH_BYTES_MAX;
use bytes::Bytes;
use std::io::BufRead;
use std::ops::RangeInclusive;

/// The smallest record: its length, attributes, two deltas, no key, no value, no headers.
const RECORD_BYTES_MIN: u64 = 7;

/// "No timestamp" of a record.
const NO_TIMESTAMP: i64 = -1;

/// Splits what a client sent into batches and checks all of them.
pub(crate) fn batches(
    mut bytes: Bytes,
    config: &LogConfig,
    now_ms: i64,
) -> Result<Vec<Batch>, AppendError> {
    let rules = Rules::new(config, now_ms);
    let mut batches = Vec::with_capacity(1);
    while !bytes.is_empty() {
        let mut batch = Batch::split(&mut bytes)?;
        let (size_bytes, max_bytes) = (batch.bytes.len(), config.max_message_bytes);
        if size_bytes > max_bytes {
            return Err(AppendError::TooLarge { size_bytes, max_bytes });
        }
        batch.check_from_client()?;
        // Some clients leave the header's at 0. Retention and searches by time rely on it, so it is
        // made the records' own, as in Kafka.
        batch.header.max_timestamp_ms = check_records(&batch, &rules)?;
        batches.push(batch);
    }
    match &batches[..] {
        [] => Err(AppendError::Number("there is no record batch to append")),
        [_] => Ok(batches),
        several if several.iter().any(|it| it.header.has_producer()) => {
            Err(AppendError::Number("an idempotent producer sends one batch at a time"))
        }
        _ => Ok(batches),
    }
}

/// What a topic's configuration asks of a record.
#[derive(Debug)]
struct Rules {
    needs_key: bool,
    timestamps_ms: RangeInclusive<i64>,
}

impl Rules {
    fn new(config: &LogConfig, now_ms: i64) -> Self {
        let timestamps_ms = if config.log_append_time {
            // The broker's own time takes their place.
            i64::MIN..=i64::MAX
        } else {
            let (before, after) = (config.timestamp_before_max_ms, config.timestamp_after_max_ms);
            now_ms.saturating_sub(before)..=now_ms.saturating_add(after)
        };
        Self { needs_key: config.compact, timestamps_ms }
    }

    fn check(&self, record: &Seen) -> Result<(), RecordFault> {
        let timestamp_ms = record.timestamp_ms;
        if self.needs_key && !record.has_key {
            Err(RecordFault::NoKey)
        } else if timestamp_ms != NO_TIMESTAMP && !self.timestamps_ms.contains(&timestamp_ms) {
            let (earliest_ms, latest_ms) = self.timestamps_ms.clone().into_inner();
            Err(RecordFault::Timestamp { timestamp_ms, earliest_ms, latest_ms })
        } else {
            Ok(())
        }
    }
}

/// Looks at every record of a batch, and says the newest timestamp among them (-1: none has one).
fn check_records(batch: &Batch, rules: &Rules) -> Result<i64, AppendError> {
    let header = &batch.header;
    let decompressed_max = match header.codec() {
        0 => u64::MAX,
        // What cannot be is known before anything is decompressed.
        _ if header.records_count as u64 * RECORD_BYTES_MIN
            > DECOMPRESSED_BATCH_BYTES_MAX as u64 =>
        {
            return Err(codec::TOO_LARGE.into());
        }
        _ => DECOMPRESSED_BATCH_BYTES_MAX as u64,
    };
    let reader = Reader::new(header.codec(), batch.body())?;
    let mut walk = Walk { reader, left: decompressed_max };
    let mut invalid = InvalidRecords::new(header.records_count);
    let mut newest_ms = NO_TIMESTAMP;
    for index in 0..header.records_count {
        let seen = match walk.record(header, index) {
            Ok(seen) => seen,
            Err(error) => {
                // Where the next record would begin is not known.
                invalid.push(RecordError { index, fault: RecordFault::Malformed(error) });
                return Err(AppendError::Records(invalid));
            }
        };
        newest_ms = newest_ms.max(seen.timestamp_ms);
        if let Err(fault) = rules.check(&seen) {
            invalid.push(RecordError { index, fault });
        }
    }
    if invalid.count > 0 {
        return Err(AppendError::Records(invalid));
    }
    walk.end()?;
    Ok(newest_ms)
}

/// What is kept of a record that was stepped over.
#[derive(Debug)]
struct Seen {
    timestamp_ms: i64,
    has_key: bool,
}

const CUT_OFF: BatchError = BatchError::Invalid("records end in the middle of one");
const TOO_SHORT: BatchError = BatchError::Invalid("record is shorter than its fields");

/// Steps over the records of a batch.
struct Walk<'a> {
    reader: Reader<'a>,
    /// Bytes that records may still have.
    left: u64,
}

impl Walk<'_> {
    fn record(&mut self, header: &Header, index: i32) -> Result<Seen, BatchError> {
        let window = self.reader.fill_buf().map_err(codec::read_error)?;
        // Nearly all records are in one window.
        let mut rest = window;
        if let Ok(length) = record_length(&mut rest)
            && let Some(record) = usize::try_from(length).ok().and_then(|length| rest.get(..length))
        {
            let consumed = window.len() - rest.len() + record.len();
            let seen = fields(record, header, index)?;
            self.left = self.left.checked_sub(length).ok_or(codec::TOO_LARGE)?;
            self.reader.consume(consumed);
            return Ok(seen);
        }
        let mut part = Part { reader: &mut self.reader, left: LENGTH_BYTES_MAX };
        let length = record_length(&mut part)?;
        self.left = self.left.checked_sub(length).ok_or(codec::TOO_LARGE)?;
        fields(Part { reader: &mut self.reader, left: length }, header, index)
    }

    /// After the last record there is nothing more.
    fn end(&mut self) -> Result<(), BatchError> {
        if self.reader.fill_buf().map_err(codec::read_error)?.is_empty() {
            Ok(())
        } else {
            Err(BatchError::Invalid("number of records is too small: more bytes follow the last"))
        }
    }
}

/// A number of 32 bits has at most that many groups of 7.
const LENGTH_BYTES_MAX: u64 = 5;

/// Bytes that end with the record's.
trait Source {
    fn byte(&mut self) -> Result<u8, BatchError>;
    fn skip(&mut self, count: u64) -> Result<(), BatchError>;
    fn is_at_end(&self) -> bool;
}

/// A record that is there as a whole.
impl Source for &[u8] {
    #[inline]
    fn byte(&mut self) -> Result<u8, BatchError> {
        let (&byte, rest) = self.split_first().ok_or(TOO_SHORT)?;
        *self = rest;
        Ok(byte)
    }

    #[inline]
    fn skip(&mut self, count: u64) -> Result<(), BatchError> {
        let count = usize::try_from(count).map_err(|_| TOO_SHORT)?;
        *self = self.get(count..).ok_or(TOO_SHORT)?;
        Ok(())
    }

    fn is_at_end(&self) -> bool {
        self.is_empty()
    }
}

/// A record, or its length, that goes on in the next window.
struct Part<'r, 'a> {
    reader: &'r mut Reader<'a>,
    left: u64,
}

impl Source for Part<'_, '_> {
    fn byte(&mut self) -> Result<u8, BatchError> {
        self.left = self.left.checked_sub(1).ok_or(TOO_SHORT)?;
        let window = self.reader.fill_buf().map_err(codec::read_error)?;
        let byte = *window.first().ok_or(CUT_OFF)?;
        self.reader.consume(1);
        Ok(byte)
    }

    fn skip(&mut self, mut count: u64) -> Result<(), BatchError> {
        self.left = self.left.checked_sub(count).ok_or(TOO_SHORT)?;
        while count > 0 {
            let window = self.reader.fill_buf().map_err(codec::read_error)?;
            if window.is_empty() {
                return Err(CUT_OFF);
            }
            let step = count.min(window.len() as u64);
            self.reader.consume(step as usize);
            count -= step;
        }
        Ok(())
    }

    fn is_at_end(&self) -> bool {
        self.left == 0
    }
}

fn record_length(from: &mut impl Source) -> Result<u64, BatchError> {
    length(from)?.ok_or(BatchError::Invalid("record's length is negative"))
}

/// Steps over the fields of the record at `index` of its batch.
fn fields(mut record: impl Source, header: &Header, index: i32) -> Result<Seen, BatchError> {
    record.byte()?; // attributes, unused by every version
    let timestamp_ms = header
        .base_timestamp_ms
        .checked_add(varlong(&mut record)?)
        .ok_or(BatchError::Invalid("record's timestamp has more than 64 bits"))?;
    if varint(&mut record)? != index {
        return Err(BatchError::Invalid("record's offset delta is not its place in the batch"));
    }
    let has_key = nullable(&mut record)?;
    nullable(&mut record)?; // value
    let headers = varint(&mut record)?;
    if headers < 0 {
        return Err(BatchError::Invalid("record's number of headers is negative"));
    }
    // A header takes at least two bytes, so this ends with the record.
    for _ in 0..headers {
        let name = length(&mut record)?;
        record.skip(name.ok_or(BatchError::Invalid("record has a header without a name"))?)?;
        nullable(&mut record)?;
    }
    if record.is_at_end() {
        Ok(Seen { timestamp_ms, has_key })
    } else {
        Err(BatchError::Invalid("record is longer than its fields"))
    }
}

/// Steps over a field that may be null; says whether it is not.
#[inline]
fn nullable(from: &mut impl Source) -> Result<bool, BatchError> {
    let length = length(from)?;
    from.skip(length.unwrap_or(0))?;
    Ok(length.is_some())
}

/// A length, or `None` for null (-1).
#[inline]
fn length(from: &mut impl Source) -> Result<Option<u64>, BatchError> {
    match varint(from)? {
        -1 => Ok(None),
        length => u64::try_from(length)
            .map(Some)
            .map_err(|_| BatchError::Invalid("record has a negative length")),
    }
}

#[inline]
fn varint(from: &mut impl Source) -> Result<i32, BatchError> {
    i32::try_from(varlong(from)?)
        .map_err(|_| BatchError::Invalid("record has a number of more than 32 bits"))
}

/// A zigzag number in groups of 7 bits, lowest first. Most of them have one group or two.
#[inline]
fn varlong(from: &mut impl Source) -> Result<i64, BatchError> {
    let first = u64::from(from.byte()?);
    if first < 0x80 {
        return Ok(unzigzag(first));
    }
    let second = u64::from(from.byte()?);
    let value = first & 0x7f | (second & 0x7f) << 7;
    if second < 0x80 { Ok(unzigzag(value)) } else { long_varlong(from, value) }
}

/// The same number, of which two groups are known.
#[cold]
fn long_varlong(from: &mut impl Source, mut value: u64) -> Result<i64, BatchError> {
    for shift in (14..64).step_by(7) {
        let byte = from.byte()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(unzigzag(value));
        }
    }
    Err(BatchError::Invalid("record has a number of more than 64 bits"))
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
