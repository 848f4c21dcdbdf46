//! Record batches as no honest client makes them, byte by byte.

use std::io::Write;

use bytes::{BufMut, Bytes};

use crate::support::FIRST_TIMESTAMP_MS;

/// The codecs by their numbers in a batch's attributes.
pub(crate) const CODECS: [(i16, &str); 5] =
    [(0, "none"), (1, "gzip"), (2, "snappy"), (3, "lz4"), (4, "zstd")];

/// A batch to be, and what its header says.
#[derive(Clone)]
pub(crate) struct RawBatch {
    pub(crate) attributes: i16,
    pub(crate) count: i32,
    pub(crate) base_timestamp_ms: i64,
    pub(crate) max_timestamp_ms: i64,
    pub(crate) body: Vec<u8>,
}

impl RawBatch {
    /// A batch whose header is that of these records.
    pub(crate) fn of(records: &[RawRecord]) -> Self {
        let base_timestamp_ms = *FIRST_TIMESTAMP_MS;
        let newest = records.iter().map(|record| record.timestamp_delta).max().unwrap_or(0);
        Self {
            attributes: 0,
            count: records.len() as i32,
            base_timestamp_ms,
            max_timestamp_ms: base_timestamp_ms.saturating_add(newest),
            body: records.iter().flat_map(RawRecord::bytes).collect(),
        }
    }

    /// The same with its body compressed.
    pub(crate) fn compressed(&self, codec: i16) -> Self {
        let body = compress(codec, &self.body);
        Self { attributes: self.attributes | codec, body, ..self.clone() }
    }

    /// Header, right checksum and body.
    pub(crate) fn bytes(&self) -> Bytes {
        let mut out = Vec::new();
        out.put_i64(0);
        out.put_i32((49 + self.body.len()) as i32);
        out.put_i32(-1);
        out.put_i8(2);
        out.put_u32(0);
        out.put_i16(self.attributes);
        out.put_i32(self.count - 1);
        out.put_i64(self.base_timestamp_ms);
        out.put_i64(self.max_timestamp_ms);
        out.put_i64(-1);
        out.put_i16(-1);
        out.put_i32(-1);
        out.put_i32(self.count);
        out.put_slice(&self.body);
        let crc = crc32c::crc32c(&out[21..]);
        out[17..21].copy_from_slice(&crc.to_be_bytes());
        out.into()
    }
}

/// A record to be. The lengths of its fields are what they are unless a test says otherwise.
#[derive(Clone)]
pub(crate) struct RawRecord {
    pub(crate) timestamp_delta: i64,
    pub(crate) offset_delta: i64,
    pub(crate) key: Option<&'static [u8]>,
    pub(crate) key_length: Option<i64>,
    pub(crate) value: &'static [u8],
    pub(crate) headers: i64,
    /// What its length says beyond the truth.
    pub(crate) length_beyond: i64,
}

impl RawRecord {
    /// A record with a key, a value and one header.
    pub(crate) fn at(index: i64) -> Self {
        Self {
            timestamp_delta: index,
            offset_delta: index,
            key: Some(b"key"),
            key_length: None,
            value: b"value",
            headers: 1,
            length_beyond: 0,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut one = vec![0];
        put_varint(&mut one, self.timestamp_delta);
        put_varint(&mut one, self.offset_delta);
        let key_length = self.key.map_or(-1, |key| key.len() as i64);
        put_varint(&mut one, self.key_length.unwrap_or(key_length));
        one.put_slice(self.key.unwrap_or_default());
        put_varint(&mut one, self.value.len() as i64);
        one.put_slice(self.value);
        put_varint(&mut one, self.headers);
        // The one header: a name of one letter, without a value.
        put_varint(&mut one, 1);
        one.put_u8(b'h');
        put_varint(&mut one, -1);
        let mut out = Vec::new();
        put_varint(&mut out, one.len() as i64 + self.length_beyond);
        out.put_slice(&one);
        out
    }
}

/// `count` well-formed records.
pub(crate) fn records(count: i64) -> Vec<RawRecord> {
    (0..count).map(RawRecord::at).collect()
}

pub(crate) fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

fn compress(codec: i16, body: &[u8]) -> Vec<u8> {
    match codec {
        0 => body.to_vec(),
        1 => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        2 => snap::raw::Encoder::new().compress_vec(body).unwrap(),
        3 => {
            let mut encoder = lz4_encoder();
            encoder.write_all(body).unwrap();
            let (out, done) = encoder.finish();
            done.unwrap();
            out
        }
        4 => zstd::encode_all(body, 1).unwrap(),
        other => panic!("there is no codec {other}"),
    }
}

/// Frames as Kafka's clients make them: no block refers to another.
pub(crate) fn lz4_encoder() -> lz4::Encoder<Vec<u8>> {
    let mut independent = lz4::EncoderBuilder::new();
    independent.block_mode(lz4::BlockMode::Independent).build(Vec::new()).unwrap()
}

/// Records that a broker must refuse, uncompressed: what is wrong with them, the batch, and the record
/// that an answer names, if it can name one.
pub(crate) fn unreadable() -> Vec<(&'static str, RawBatch, Option<i32>)> {
    let good = RawBatch::of(&records(3));
    let third = |change: fn(&mut RawRecord)| {
        let mut records = records(3);
        change(&mut records[2]);
        RawBatch::of(&records)
    };
    let body = |body: Vec<u8>| RawBatch { body, ..good.clone() };
    let cut = good.body[..good.body.len() - 1].to_vec();
    let longer = [&good.body[..], &[0]].concat();
    vec![
        ("junk", body(vec![0xff; 40]), Some(0)),
        ("nothing", body(Vec::new()), Some(0)),
        ("a record more than there is", RawBatch { count: 4, ..good.clone() }, Some(3)),
        ("a record less than there is", RawBatch { count: 2, ..good.clone() }, None),
        ("two billion records", RawBatch { count: 2_000_000_000, ..good.clone() }, Some(3)),
        ("cut off", body(cut), Some(2)),
        ("a byte too many", body(longer), None),
        ("a record beyond the end", third(|it| it.length_beyond = 1), Some(2)),
        ("a record shorter than its fields", third(|it| it.length_beyond = -1), Some(2)),
        ("a record of negative length", third(|it| it.length_beyond = -100), Some(2)),
        ("a key beyond its record", third(|it| it.key_length = Some(100)), Some(2)),
        ("a key of two gigabytes", third(|it| it.key_length = Some(i32::MAX.into())), Some(2)),
        ("a header too few", third(|it| it.headers = 0), Some(2)),
        ("a header too many", third(|it| it.headers = 2), Some(2)),
        ("a negative number of headers", third(|it| it.headers = -1), Some(2)),
    ]
}
