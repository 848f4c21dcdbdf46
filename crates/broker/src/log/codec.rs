//! Compression of a batch's records, with a cap on what comes out.
//!
//! `kafka-protocol` decompresses without a cap, so reading goes straight to the codecs it uses itself.

use super::batch::BatchError;
use crate::limits::DECOMPRESSED_BATCH_BYTES_MAX;
use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::compression::{Compressor, Gzip, Lz4, Snappy, Zstd};
use std::io::{self, Read};

const UNREADABLE: BatchError = BatchError::Invalid("compressed records cannot be decompressed");
const TOO_LARGE: BatchError = BatchError::Invalid("records are too large when decompressed");

/// In front of snappy blocks that a Java client wrote (the xerial framing): this, two versions, and
/// then blocks that each begin with their length.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;

/// Decompresses a batch's body by the codec's number in its attributes.
pub(super) fn decompress(codec: i16, body: Bytes) -> Result<Bytes, BatchError> {
    decompress_capped(codec, body, DECOMPRESSED_BATCH_BYTES_MAX)
}

fn decompress_capped(codec: i16, body: Bytes, cap: usize) -> Result<Bytes, BatchError> {
    match codec {
        0 => Ok(body),
        1 => read_capped(flate2::read::MultiGzDecoder::new(&body[..]), cap),
        2 => snappy(&body, cap),
        3 => read_capped(lz4::Decoder::new(&body[..]).map_err(|_| UNREADABLE)?, cap),
        4 => {
            let decoder = zstd::stream::read::Decoder::new(&body[..]).map_err(|_| UNREADABLE)?;
            read_capped(decoder, cap)
        }
        _ => Err(BatchError::Invalid("compression codec is unknown")),
    }
}

fn read_capped(reader: impl Read, cap: usize) -> Result<Bytes, BatchError> {
    let mut out = Vec::new();
    let cap = cap as u64;
    reader.take(cap + 1).read_to_end(&mut out).map_err(|_| UNREADABLE)?;
    if out.len() as u64 > cap {
        return Err(TOO_LARGE);
    }
    Ok(out.into())
}

fn snappy(body: &[u8], cap: usize) -> Result<Bytes, BatchError> {
    let mut out = Vec::new();
    if !body.starts_with(XERIAL_MAGIC) {
        snappy_block(body, &mut out, cap)?;
        return Ok(out.into());
    }
    let mut rest = body.get(XERIAL_HEADER_BYTES..).ok_or(UNREADABLE)?;
    while !rest.is_empty() {
        let length = rest.try_get_u32().map_err(|_| UNREADABLE)? as usize;
        let (block, tail) = rest.split_at_checked(length).ok_or(UNREADABLE)?;
        snappy_block(block, &mut out, cap)?;
        rest = tail;
    }
    Ok(out.into())
}

fn snappy_block(block: &[u8], out: &mut Vec<u8>, cap: usize) -> Result<(), BatchError> {
    let length = snap::raw::decompress_len(block).map_err(|_| UNREADABLE)?;
    // Snappy makes at most 64 bytes of 3, so a larger claim is a lie that must not be allocated.
    if length > block.len().saturating_mul(32) || out.len() + length > cap {
        return Err(TOO_LARGE);
    }
    let start = out.len();
    out.resize(start + length, 0);
    let written =
        snap::raw::Decoder::new().decompress(block, &mut out[start..]).map_err(|_| UNREADABLE)?;
    out.truncate(start + written);
    Ok(())
}

/// Compresses records for storage, with the codec their batch had.
pub(super) fn compress(codec: i16, records: &[u8]) -> io::Result<BytesMut> {
    let mut out = BytesMut::new();
    let fill = |buffer: &mut BytesMut| {
        buffer.extend_from_slice(records);
        Ok(())
    };
    match codec {
        0 => {
            out.extend_from_slice(records);
            Ok(())
        }
        1 => Gzip::compress(&mut out, fill),
        2 => Snappy::compress(&mut out, fill),
        3 => Lz4::compress(&mut out, fill),
        4 => Zstd::compress(&mut out, fill),
        _ => return Err(io::Error::other("the compression codec is unknown")),
    }
    .map_err(io::Error::other)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_gives_back_what_it_took() {
        let records: Vec<u8> = (0..200_000_u32).flat_map(|n| (n / 7).to_be_bytes()).collect();
        for codec in 0..=4 {
            let stored = compress(codec, &records).unwrap().freeze();
            assert_eq!(decompress(codec, stored).unwrap(), records, "codec {codec}");
        }
        let raw = snap::raw::Encoder::new().compress_vec(&records).unwrap();
        assert_eq!(decompress(2, raw.into()).unwrap(), records);
    }

    #[test]
    fn a_small_body_cannot_fill_the_memory() {
        let zeros = vec![0; 100_000];
        for codec in 1..=4 {
            let stored = compress(codec, &zeros).unwrap().freeze();
            let exact = decompress_capped(codec, stored.clone(), zeros.len());
            assert_eq!(exact.unwrap(), zeros, "codec {codec}");
            let refused = decompress_capped(codec, stored, zeros.len() - 1);
            assert_eq!(refused, Err(TOO_LARGE), "codec {codec}");
        }
        // A snappy block that claims 2 GiB in its first bytes.
        let lie = Bytes::from_static(b"\xff\xff\xff\xff\x07\0\0");
        assert_eq!(decompress(2, lie), Err(TOO_LARGE));
    }

    #[test]
    fn cut_bodies_are_errors() {
        let records = b"a few words, a few words, a few words".repeat(20);
        for codec in 1..=4 {
            let stored = compress(codec, &records).unwrap().freeze();
            for end in 0..stored.len() {
                // Some prefixes are valid streams of fewer bytes; none may panic.
                let _ = decompress(codec, stored.slice(..end));
            }
        }
    }
}
