//! A record inside a batch, and writing batches of our own.
//!
//! ```text
//!  length  attributes  timestamp Δ  offset Δ  key length  key  value length  value  headers
//!  varint  i8          varlong      varint    varint      …    varint        …      count + …
//! ```
//!
//! Varints are zigzag; a key or value of length -1 is null. Headers are walked, never decoded.

use super::batch::{Batch, BatchError, CONTROL, HEADER_BYTES, Header, TRANSACTIONAL};
use super::codec;
use bytes::{BufMut, Bytes, BytesMut};

/// A record, borrowed from its (decompressed) batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    /// The whole record, its length included.
    pub(crate) raw: &'a [u8],
}

/// The decompressed records of a batch.
pub(crate) struct Records {
    header: Header,
    body: Bytes,
}

impl Records {
    /// Decompresses, with a cap on what comes out.
    pub(crate) fn of(batch: &Batch) -> Result<Self, BatchError> {
        let body = batch.bytes.slice(HEADER_BYTES..);
        let body = codec::decompress(batch.header.codec(), body)?;
        Ok(Self { header: batch.header, body })
    }

    /// The records in order; after the first error there is nothing more.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<Record<'_>, BatchError>> {
        let mut rest: &[u8] = &self.body;
        let mut left = self.header.records_count;
        std::iter::from_fn(move || {
            if left <= 0 {
                return None;
            }
            left -= 1;
            let record = read_record(&self.header, &mut rest);
            if record.is_err() {
                left = 0;
            }
            Some(record)
        })
    }
}

fn read_record<'a>(header: &Header, rest: &mut &'a [u8]) -> Result<Record<'a>, BatchError> {
    let start = *rest;
    let length = read_varint(rest)?;
    let body = take(rest, length)?;
    let raw = &start[..start.len() - rest.len()];
    let mut at = body;
    take(&mut at, 1)?; // attributes, unused by every version
    let timestamp_delta = read_varint(&mut at)?;
    let offset_delta = read_varint(&mut at)?;
    if !(0..=i64::from(header.last_offset_delta)).contains(&offset_delta) {
        return Err(BatchError::Invalid("record lies outside of its offsets"));
    }
    let key = take_nullable(&mut at)?;
    let value = take_nullable(&mut at)?;
    let timestamp_ms = if header.is_log_append_time() {
        header.max_timestamp_ms
    } else {
        header.base_timestamp_ms.saturating_add(timestamp_delta)
    };
    Ok(Record { offset: header.base_offset + offset_delta, timestamp_ms, key, value, raw })
}

const SHORT: BatchError = BatchError::Invalid("record is longer than its bytes");

fn take<'a>(rest: &mut &'a [u8], length: i64) -> Result<&'a [u8], BatchError> {
    let length = usize::try_from(length).map_err(|_| SHORT)?;
    let (head, tail) = rest.split_at_checked(length).ok_or(SHORT)?;
    *rest = tail;
    Ok(head)
}

fn take_nullable<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, BatchError> {
    match read_varint(rest)? {
        -1 => Ok(None),
        length => take(rest, length).map(Some),
    }
}

fn read_varint(rest: &mut &[u8]) -> Result<i64, BatchError> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first().ok_or(SHORT)?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    Err(BatchError::Invalid("record has a number of more than 64 bits"))
}

fn put_varint(out: &mut BytesMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

fn put_nullable(out: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, bytes.len() as i64);
            out.put_slice(bytes);
        }
    }
}

/// Who writes a batch; the default is a producer that is not idempotent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    attributes: i16,
}

impl Default for Writer {
    fn default() -> Self {
        Self { producer_id: -1, producer_epoch: -1, base_sequence: -1, attributes: 0 }
    }
}

impl Writer {
    /// An idempotent producer; `transactional` sets the bit of that name.
    #[cfg(test)]
    pub(crate) fn idempotent(id: i64, epoch: i16, sequence: i32, transactional: bool) -> Self {
        let attributes = if transactional { TRANSACTIONAL } else { 0 };
        Self { producer_id: id, producer_epoch: epoch, base_sequence: sequence, attributes }
    }
}

/// Builds an uncompressed batch of (key, value) records at base offset 0, all with one timestamp.
pub(crate) fn build<'a>(
    writer: Writer,
    timestamp_ms: i64,
    records: impl IntoIterator<Item = (Option<&'a [u8]>, Option<&'a [u8]>)>,
) -> Bytes {
    let mut body = BytesMut::new();
    let mut one = BytesMut::new();
    let mut count = 0;
    for (key, value) in records {
        one.clear();
        one.put_u8(0);
        put_varint(&mut one, 0);
        put_varint(&mut one, count);
        put_nullable(&mut one, key);
        put_nullable(&mut one, value);
        put_varint(&mut one, 0);
        put_varint(&mut body, one.len() as i64);
        body.put_slice(&one);
        count += 1;
    }
    let header = Header {
        base_offset: 0,
        size_bytes: 0,
        crc: 0,
        attributes: writer.attributes,
        last_offset_delta: (count - 1) as i32,
        base_timestamp_ms: timestamp_ms,
        max_timestamp_ms: timestamp_ms,
        producer_id: writer.producer_id,
        producer_epoch: writer.producer_epoch,
        base_sequence: writer.base_sequence,
        records_count: count as i32,
    };
    assemble(&header, &body)
}

/// Puts a header (its size and crc computed here) in front of a stored body.
pub(super) fn assemble(header: &Header, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_BYTES + body.len());
    out.put_i64(header.base_offset);
    out.put_i32((HEADER_BYTES - 12 + body.len()) as i32);
    out.put_i32(0); // leader epoch
    out.put_i8(2);
    out.put_u32(0);
    out.put_i16(header.attributes);
    out.put_i32(header.last_offset_delta);
    out.put_i64(header.base_timestamp_ms);
    out.put_i64(header.max_timestamp_ms);
    out.put_i64(header.producer_id);
    out.put_i16(header.producer_epoch);
    out.put_i32(header.base_sequence);
    out.put_i32(header.records_count);
    out.put_slice(body);
    let crc = crc32c::crc32c(&out[21..]);
    out[17..21].copy_from_slice(&crc.to_be_bytes());
    out.freeze()
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// Its records become visible to readers of committed data.
    Commit,
    /// Its records are skipped by readers of committed data.
    Abort,
}

/// The control batch that ends a transaction: key = version 0 and type (0 abort, 1 commit), value =
/// version 0 and coordinator epoch 0 (KIP-98).
pub(super) fn control_batch(id: i64, epoch: i16, marker: Marker, now_ms: i64) -> Bytes {
    let writer = Writer {
        producer_id: id,
        producer_epoch: epoch,
        base_sequence: -1,
        attributes: TRANSACTIONAL | CONTROL,
    };
    let key = [0, 0, 0, u8::from(marker == Marker::Commit)];
    build(writer, now_ms, [(Some(&key[..]), Some(&[0; 6][..]))])
}

/// What a control batch says, or `None` for a kind this broker does not write.
pub(super) fn marker_of(batch: &Batch) -> Option<Marker> {
    let records = Records::of(batch).ok()?;
    let record = records.iter().next()?.ok()?;
    match record.key? {
        [_, _, 0, 0] => Some(Marker::Abort),
        [_, _, 0, 1] => Some(Marker::Commit),
        _ => None,
    }
}
