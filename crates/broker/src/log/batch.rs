//! A record batch (magic 2, KIP-98), as it lies in a segment and travels on the wire.
//!
//! ```text
//!  0        8      12      16 17     21   23     27       35       43        51    53     57    61
//!  ├────────┼───────┼───────┼──┼──────┼────┼──────┼────────┼────────┼─────────┼─────┼──────┼─────┤
//!  │ base   │length │leader │2 │ crc  │attr│ last │ base   │ max    │producer │epoch│ base │count│ records…
//!  │ offset │(rest) │ epoch │  │32-C  │    │ Δoff │ time   │ time   │ id      │     │ seq  │     │
//!  └────────┴───────┴───────┴──┴──────┴────┴──────┴────────┴────────┴─────────┴─────┴──────┴─────┘
//!    the broker fills these      │     └──────────────── covered by the crc ──────────────────────…
//! ```
//!
//! The base offset and leader epoch lie in front of what the crc covers, so the broker sets them
//! without touching (or copying) the rest.

use bytes::{Buf, Bytes};
use thiserror::Error;

/// Bytes in front of the records.
pub(crate) const HEADER_BYTES: usize = 61;
/// `length` counts from here.
const LENGTH_FROM: usize = 12;
/// The crc covers everything from here.
pub(crate) const CRC_FROM: usize = 21;

pub(super) const COMPRESSION_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
pub(super) const TRANSACTIONAL: i16 = 0x10;
pub(super) const CONTROL: i16 = 0x20;

/// "No producer id" in a batch of a producer that is not idempotent.
pub(crate) const NO_PRODUCER_ID: i64 = -1;

/// Why bytes are not a record batch.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub(crate) enum BatchError {
    /// Fewer bytes than the header or its length field ask for.
    #[error("the bytes end in the middle of a record batch")]
    Truncated,
    /// Message format 0 or 1, which Kafka 4 has dropped too (KIP-896).
    #[error("message format {0} is not supported, only 2 is: use a client of 2017 or newer")]
    Magic(i8),
    /// A field has a value that no writer makes.
    #[error("a record batch's {0}")]
    Invalid(&'static str),
    /// The client says that the broker has set the timestamps.
    #[error("a record batch's timestamp type is LogAppendTime, which only the broker sets")]
    TimestampType,
    /// The stored and the computed CRC-32C differ.
    #[error("a record batch fails its checksum")]
    Crc,
}

/// The decoded header of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) base_offset: i64,
    /// Of the whole batch, header included.
    pub(crate) size_bytes: usize,
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp_ms: i64,
    pub(crate) max_timestamp_ms: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) records_count: i32,
}

impl Header {
    /// Decodes the header at the start of `bytes`, and checks what every batch keeps to: format,
    /// length, offsets. The records need not be there yet.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BatchError> {
        // Older formats are told apart before the length, since their batches can be shorter.
        if let Some(&magic) = bytes.get(16)
            && magic != 2
        {
            return Err(BatchError::Magic(magic as i8));
        }
        let mut at = bytes.get(..HEADER_BYTES).ok_or(BatchError::Truncated)?;
        let base_offset = at.get_i64();
        let length = at.get_i32();
        let _leader_epoch = at.get_i32();
        let _magic = at.get_i8();
        let header = Self {
            base_offset,
            size_bytes: usize::try_from(length)
                .map_err(|_| BatchError::Invalid("length is negative"))?
                .saturating_add(LENGTH_FROM),
            crc: at.get_u32(),
            attributes: at.get_i16(),
            last_offset_delta: at.get_i32(),
            base_timestamp_ms: at.get_i64(),
            max_timestamp_ms: at.get_i64(),
            producer_id: at.get_i64(),
            producer_epoch: at.get_i16(),
            base_sequence: at.get_i32(),
            records_count: at.get_i32(),
        };
        if header.size_bytes < HEADER_BYTES {
            return Err(BatchError::Invalid("length is shorter than its header"));
        }
        if header.last_offset_delta < 0 {
            return Err(BatchError::Invalid("last offset delta is negative"));
        }
        if base_offset < 0 || base_offset.checked_add(1 + i64::from(i32::MAX)).is_none() {
            return Err(BatchError::Invalid("base offset is out of range"));
        }
        if header.records_count < 0 || header.records_count - 1 > header.last_offset_delta {
            return Err(BatchError::Invalid("number of records does not fit its offsets"));
        }
        Ok(header)
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    pub(crate) fn next_offset(&self) -> i64 {
        self.last_offset() + 1
    }

    /// The sequence number of the last record; sequences wrap from `i32::MAX` to 0.
    pub(crate) fn last_sequence(&self) -> i32 {
        let last = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        (last % (1 << 31)) as i32
    }

    /// The codec's number: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; 5 to 7 are not assigned.
    pub(crate) fn codec(&self) -> i16 {
        self.attributes & COMPRESSION_MASK
    }

    pub(crate) fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    pub(crate) fn has_producer(&self) -> bool {
        self.producer_id != NO_PRODUCER_ID
    }
}

/// A whole batch: its header and all its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// As read from the bytes, but for a newest timestamp that validation has corrected.
    pub(crate) header: Header,
    pub(crate) bytes: Bytes,
}

impl Batch {
    /// Takes the first batch off `bytes`.
    pub(crate) fn split(bytes: &mut Bytes) -> Result<Self, BatchError> {
        let header = Header::read(bytes)?;
        if bytes.len() < header.size_bytes {
            return Err(BatchError::Truncated);
        }
        Ok(Self { header, bytes: bytes.split_to(header.size_bytes) })
    }

    /// Compares the stored CRC-32C with that of the bytes.
    pub(crate) fn check_crc(&self) -> Result<(), BatchError> {
        if crc32c::crc32c(&self.bytes[CRC_FROM..]) == self.header.crc {
            Ok(())
        } else {
            Err(BatchError::Crc)
        }
    }

    /// What follows the header, as stored (perhaps compressed).
    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// Checks the header of what a client sends to be appended; `split` has checked the structure.
    pub(crate) fn check_from_client(&self) -> Result<(), BatchError> {
        self.check_crc()?;
        let header = &self.header;
        if header.records_count == 0 || header.last_offset_delta != header.records_count - 1 {
            return Err(BatchError::Invalid("last offset delta is not its number of records - 1"));
        }
        if header.codec() > 4 {
            return Err(BatchError::Invalid("compression codec is unknown"));
        }
        if header.is_control() {
            return Err(BatchError::Invalid(
                "control bit is set, which is only the broker's to set",
            ));
        }
        if header.is_log_append_time() {
            return Err(BatchError::TimestampType);
        }
        if header.has_producer() {
            let valid =
                header.producer_id >= 0 && header.producer_epoch >= 0 && header.base_sequence >= 0;
            if !valid {
                return Err(BatchError::Invalid("producer id, epoch or sequence is negative"));
            }
        } else if header.is_transactional() {
            return Err(BatchError::Invalid("transactional bit is set without a producer id"));
        }
        Ok(())
    }

    /// The first bytes as they are stored: the given offset, leader epoch 0, the newest timestamp of
    /// the header or with `log_append_time_ms` that time, and the checksum that follows from it.
    pub(super) fn stored_header(
        &self,
        base_offset: i64,
        log_append_time_ms: Option<i64>,
    ) -> [u8; HEADER_BYTES] {
        let mut head = [0; HEADER_BYTES];
        head.copy_from_slice(&self.bytes[..HEADER_BYTES]);
        head[0..8].copy_from_slice(&base_offset.to_be_bytes());
        head[12..16].copy_from_slice(&0_i32.to_be_bytes());
        let mut attributes = self.header.attributes;
        if log_append_time_ms.is_some() {
            attributes |= LOG_APPEND_TIME;
        }
        head[21..23].copy_from_slice(&attributes.to_be_bytes());
        let max_timestamp_ms = log_append_time_ms.unwrap_or(self.header.max_timestamp_ms);
        head[35..43].copy_from_slice(&max_timestamp_ms.to_be_bytes());
        if head[CRC_FROM..] != self.bytes[CRC_FROM..HEADER_BYTES] {
            let crc = crc32c::crc32c_append(crc32c::crc32c(&head[CRC_FROM..]), self.body());
            head[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        head
    }
}
