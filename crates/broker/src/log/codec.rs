//! Compression of a batch's records, with a cap on what comes out.
//!
//! `kafka-protocol` decompresses without a cap, so reading goes straight to the codecs it uses itself.
//!
//! ```text
//!  body ──► Reader ──► a window at a time, for what only looks        (memory: the codec's own)
//!             └──────► decompress: all at once, for what copies       (memory: what comes out, capped)
//! ```

use super::batch::BatchError;
use crate::limits::{DECOMPRESSED_BATCH_BYTES_MAX, DECOMPRESSED_WINDOW_BYTES};
use bytes::{Buf, Bytes, BytesMut};
use flate2::bufread::MultiGzDecoder;
use kafka_protocol::compression::{Compressor, Gzip, Lz4, Snappy, Zstd};
use std::io::{self, BufRead, BufReader, Read};

const UNREADABLE: BatchError = BatchError::Invalid("compressed records cannot be decompressed");
pub(super) const TOO_LARGE: BatchError =
    BatchError::Invalid("records are too large when decompressed");

/// The largest window that a zstd frame may ask for, as a power of two: that of the highest level
/// (22), and no more than a batch may decompress to. The codec takes the memory in one piece, but
/// only what is decompressed into it is ever touched.
const ZSTD_WINDOW_LOG_MAX: u32 = DECOMPRESSED_BATCH_BYTES_MAX.ilog2();

/// In front of snappy blocks that a Java client wrote (the xerial framing): this, two versions, and
/// then blocks that each begin with their length.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;

/// The records of a body, decompressed while they are read.
pub(super) enum Reader<'a> {
    Plain(&'a [u8]),
    Gzip(BufReader<MultiGzDecoder<&'a [u8]>>),
    Snappy(SnappyReader<'a>),
    Lz4(BufReader<lz4::Decoder<&'a [u8]>>),
    Zstd(BufReader<zstd::stream::read::Decoder<'a, &'a [u8]>>),
}

impl<'a> Reader<'a> {
    /// Reads a batch's body by the codec's number in its attributes.
    pub(super) fn new(codec: i16, body: &'a [u8]) -> Result<Self, BatchError> {
        match codec {
            0 => Ok(Self::Plain(body)),
            1 => Ok(Self::Gzip(buffered(MultiGzDecoder::new(body)))),
            2 => SnappyReader::new(body).map(Self::Snappy),
            3 => lz4_decoder(body).map(buffered).map(Self::Lz4),
            4 => zstd_decoder(body).map(buffered).map(Self::Zstd).map_err(|_| UNREADABLE),
            _ => Err(BatchError::Invalid("compression codec is unknown")),
        }
    }
}

fn buffered<R: Read>(decoder: R) -> BufReader<R> {
    BufReader::with_capacity(DECOMPRESSED_WINDOW_BYTES, decoder)
}

/// Java clients cannot read a frame whose blocks refer to earlier ones; so Kafka refuses it, too.
fn lz4_decoder(body: &[u8]) -> Result<lz4::Decoder<&[u8]>, BatchError> {
    const FLAGS_AT: usize = 4;
    const BLOCKS_ARE_INDEPENDENT: u8 = 0x20;
    if body.get(FLAGS_AT).is_some_and(|flags| flags & BLOCKS_ARE_INDEPENDENT == 0) {
        return Err(BatchError::Invalid(
            "lz4 blocks depend on each other, which Kafka does not allow",
        ));
    }
    lz4::Decoder::new(body).map_err(|_| UNREADABLE)
}

fn zstd_decoder(body: &[u8]) -> io::Result<zstd::stream::read::Decoder<'_, &[u8]>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(body)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(out),
            Self::Gzip(reader) => reader.read(out),
            Self::Snappy(reader) => reader.read(out),
            Self::Lz4(reader) => reader.read(out),
            Self::Zstd(reader) => reader.read(out),
        }
    }
}

impl BufRead for Reader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Plain(reader) => reader.fill_buf(),
            Self::Gzip(reader) => reader.fill_buf(),
            Self::Snappy(reader) => reader.fill_buf(),
            Self::Lz4(reader) => reader.fill_buf(),
            Self::Zstd(reader) => reader.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        match self {
            Self::Plain(reader) => reader.consume(count),
            Self::Gzip(reader) => reader.consume(count),
            Self::Snappy(reader) => reader.consume(count),
            Self::Lz4(reader) => reader.consume(count),
            Self::Zstd(reader) => reader.consume(count),
        }
    }
}

/// What a failed read of a [`Reader`] means.
pub(super) fn read_error(error: io::Error) -> BatchError {
    error.downcast().unwrap_or(UNREADABLE)
}

/// Decompresses a batch's body by the codec's number in its attributes.
pub(super) fn decompress(codec: i16, body: Bytes) -> Result<Bytes, BatchError> {
    decompress_capped(codec, body, DECOMPRESSED_BATCH_BYTES_MAX)
}

fn decompress_capped(codec: i16, body: Bytes, cap: usize) -> Result<Bytes, BatchError> {
    if codec == 0 {
        return Ok(body);
    }
    let mut out = Vec::new();
    let reader = Reader::new(codec, &body)?;
    reader.take(cap as u64 + 1).read_to_end(&mut out).map_err(read_error)?;
    if out.len() > cap { Err(TOO_LARGE) } else { Ok(out.into()) }
}

/// Snappy blocks, one after the other. A block has no structure inside that would let it be
/// decompressed in parts.
pub(super) struct SnappyReader<'a> {
    rest: &'a [u8],
    /// Blocks begin with their length. Otherwise all is one block.
    is_framed: bool,
    block: Vec<u8>,
    /// Bytes of the block that were consumed.
    consumed: usize,
}

impl<'a> SnappyReader<'a> {
    fn new(body: &'a [u8]) -> Result<Self, BatchError> {
        let is_framed = body.starts_with(XERIAL_MAGIC);
        let rest = if is_framed { body.get(XERIAL_HEADER_BYTES..) } else { Some(body) };
        let rest = rest.ok_or(UNREADABLE)?;
        Ok(Self { rest, is_framed, block: Vec::new(), consumed: 0 })
    }

    fn next_block(&mut self) -> Result<(), BatchError> {
        let length = if self.is_framed {
            self.rest.try_get_u32().map_err(|_| UNREADABLE)? as usize
        } else {
            self.rest.len()
        };
        let (block, rest) = self.rest.split_at_checked(length).ok_or(UNREADABLE)?;
        self.rest = rest;
        let length = snap::raw::decompress_len(block).map_err(|_| UNREADABLE)?;
        // Snappy makes at most 64 bytes of 3, so a larger claim is a lie that must not be allocated.
        if length > block.len().saturating_mul(32) || length > DECOMPRESSED_BATCH_BYTES_MAX {
            return Err(TOO_LARGE);
        }
        self.consumed = 0;
        self.block.resize(length, 0);
        let written = snap::raw::Decoder::new().decompress(block, &mut self.block);
        self.block.truncate(written.map_err(|_| UNREADABLE)?);
        Ok(())
    }
}

impl Read for SnappyReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for SnappyReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.consumed == self.block.len() && !self.rest.is_empty() {
            self.next_block().map_err(io::Error::other)?;
        }
        Ok(&self.block[self.consumed..])
    }

    fn consume(&mut self, count: usize) {
        self.consumed = (self.consumed + count).min(self.block.len());
    }
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
