//! What can go wrong with a log, and the Kafka error code of each.

use super::batch::BatchError;
use super::read::Offsets;
use crate::limits::RECORD_ERRORS;
use kafka_protocol::error::ResponseError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// A log that cannot be opened.
#[derive(Debug, Error)]
#[error("the log in {dir} cannot be opened: {cause}", dir = dir.display())]
pub(crate) struct LogError {
    pub(crate) dir: PathBuf,
    #[source]
    pub(crate) cause: io::Error,
}

/// An append that was refused; nothing of it was stored.
#[derive(Debug, Error)]
pub(crate) enum AppendError {
    /// Not whole record batches, or damaged on the way; a client sends them again.
    #[error("{0}")]
    Corrupt(BatchError),
    /// Batches that are whole but break a rule; sending them again is of no use.
    #[error("{0}")]
    Invalid(BatchError),
    /// Too few or too many batches.
    #[error("{0}")]
    Number(&'static str),
    /// Message format 0 or 1.
    #[error("{0}")]
    UnsupportedFormat(BatchError),
    /// Larger than the topic's `max.message.bytes`.
    #[error(
        "a batch of {size_bytes} bytes is more than max.message.bytes = {max_bytes} of the topic"
    )]
    TooLarge { size_bytes: usize, max_bytes: usize },
    /// A batch of this producer is missing in between.
    #[error("producer {producer_id} sent sequence {sequence} where {expected} was expected")]
    OutOfOrderSequence { producer_id: i64, sequence: i32, expected: i32 },
    /// A newer instance of this producer has written.
    #[error("producer {producer_id} has epoch {epoch}, and a newer instance of it {current}")]
    InvalidProducerEpoch { producer_id: i64, epoch: i16, current: i16 },
    /// A plain batch in the middle of the producer's transaction.
    #[error("producer {0} has an open transaction here but sent a batch outside of it")]
    InvalidTransactionState(i64),
    /// The timestamp type is the broker's to set.
    #[error("{0}")]
    TimestampType(BatchError),
    /// Records that break a rule of their topic, or that cannot be read.
    #[error("{0}")]
    Records(InvalidRecords),
    /// The partition was closed: its topic was deleted, or the broker stops.
    #[error("the partition is closed, its topic was deleted or the broker stops")]
    Closed,
    /// The disk refused; the partition is as before, or refuses writes until the broker restarts.
    #[error("the log cannot be written: {0}")]
    Io(#[from] io::Error),
}

impl AppendError {
    /// The code for the response.
    pub(crate) fn error_code(&self) -> i16 {
        match self {
            Self::Corrupt(_) => ResponseError::CorruptMessage,
            Self::Invalid(_) | Self::Number(_) => ResponseError::InvalidRecord,
            Self::TimestampType(_) => ResponseError::InvalidTimestamp,
            Self::Records(records) => records.error(),
            Self::UnsupportedFormat(_) => ResponseError::UnsupportedForMessageFormat,
            Self::TooLarge { .. } => ResponseError::MessageTooLarge,
            Self::OutOfOrderSequence { .. } => ResponseError::OutOfOrderSequenceNumber,
            Self::InvalidProducerEpoch { .. } => ResponseError::InvalidProducerEpoch,
            Self::InvalidTransactionState(_) => ResponseError::InvalidTxnState,
            // Clients look for the partition's new place, and learn that there is none.
            Self::Closed => ResponseError::NotLeaderOrFollower,
            Self::Io(_) => ResponseError::KafkaStorageError,
        }
        .code()
    }
}

impl From<BatchError> for AppendError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Magic(_) => Self::UnsupportedFormat(error),
            BatchError::Truncated | BatchError::Crc => Self::Corrupt(error),
            BatchError::TimestampType => Self::TimestampType(error),
            BatchError::Invalid(_) => Self::Invalid(error),
        }
    }
}

/// Why a batch is refused for one of its records.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub(crate) enum RecordFault {
    /// Compaction goes by keys.
    #[error("the record has no key, which a topic with cleanup.policy=compact needs")]
    NoKey,
    /// Its time is too far from the broker's.
    #[error(
        "the record's timestamp {timestamp_ms} is not from {earliest_ms} to {latest_ms}, as the \
         topic's message.timestamp.before.max.ms and message.timestamp.after.max.ms ask for"
    )]
    Timestamp { timestamp_ms: i64, earliest_ms: i64, latest_ms: i64 },
    /// It cannot be read, and what follows it neither.
    #[error("{0}")]
    Malformed(BatchError),
}

/// A record for which its batch is refused (KIP-467).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordError {
    /// Its place in the batch, from 0 on.
    pub(crate) index: i32,
    pub(crate) fault: RecordFault,
}

/// The records for which a batch is refused; never empty once it is an error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidRecords {
    /// Ascending, the first [`RECORD_ERRORS`] of them.
    pub(crate) named: Vec<RecordError>,
    /// All of them.
    pub(crate) count: usize,
    /// Records of the batch, as its header says.
    of: i32,
}

impl InvalidRecords {
    pub(super) fn new(of: i32) -> Self {
        Self { named: Vec::new(), count: 0, of }
    }

    pub(super) fn push(&mut self, error: RecordError) {
        self.count += 1;
        if self.named.len() < RECORD_ERRORS {
            self.named.push(error);
        }
    }

    /// As in Kafka, one timestamp out of bounds decides, unless the batch cannot be read at all.
    fn error(&self) -> ResponseError {
        let has = |fault: fn(&RecordFault) -> bool| self.named.iter().any(|it| fault(&it.fault));
        if has(|it| matches!(it, RecordFault::Timestamp { .. }))
            && !has(|it| matches!(it, RecordFault::Malformed(_)))
        {
            ResponseError::InvalidTimestamp
        } else {
            ResponseError::InvalidRecord
        }
    }
}

impl fmt::Display for InvalidRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, of, .. } = self;
        write!(f, "{count} of the batch's {of} records are invalid")?;
        match self.named.first() {
            Some(RecordError { index, fault }) => {
                write!(f, "; the first is record {index}: {fault}")
            }
            None => Ok(()),
        }
    }
}

/// A read that cannot be answered.
#[derive(Debug, Error)]
pub(crate) enum FetchError {
    /// The offset is before the log's start or after its end.
    #[error("the offset is outside of {} to {}", .0.log_start, .0.high_watermark)]
    OutOfRange(Offsets),
    /// The disk refused.
    #[error("the log cannot be read: {0}")]
    Io(#[from] io::Error),
}
