//! An answer as it goes onto the socket: length, correlation id, body, in one or more pieces.
//!
//! ```text
//!  Fetch:   length ‖ … ‖ partition, record bytes' length │ record bytes │ tags, partition, … │ …
//!           └──────────── a piece of our own ───────────┘ └─ as read ──┘
//! ```
//!
//! Record bytes are most of what a broker sends. They are handed to the socket as they were read
//! from the log, without a copy into the answer.

use std::any::Any;
use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::FetchResponse;
use kafka_protocol::protocol::{Encodable, HeaderVersion};

/// The first version of Fetch with compact lengths and tagged fields.
const FETCH_FLEXIBLE: i16 = 12;

/// Bytes that follow one another, to be written in order.
#[derive(Debug, Default)]
pub(crate) struct Pieces(VecDeque<Bytes>);

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.0.push_back(piece);
        }
    }

    #[cfg(test)]
    pub(crate) fn join(mut self) -> Bytes {
        self.copy_to_bytes(self.remaining())
    }

    /// Fills in the length at the start of the first piece.
    fn with_length(mut self) -> Result<Self, String> {
        let length = self.remaining() - 4;
        let field = i32::try_from(length).map_err(|_| format!("{length} bytes are too many"))?;
        if let Some(first) = self.0.front_mut() {
            let mut own = BytesMut::from(std::mem::take(first));
            own[..4].copy_from_slice(&field.to_be_bytes());
            *first = own.freeze();
        }
        Ok(self)
    }
}

impl From<BytesMut> for Pieces {
    fn from(piece: BytesMut) -> Self {
        Self(VecDeque::from([piece.freeze()]))
    }
}

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = self.0.len().min(slices.len());
        for (slice, piece) in slices.iter_mut().zip(&self.0) {
            *slice = IoSlice::new(piece);
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(piece) = self.0.front_mut() {
            if count < piece.len() {
                piece.advance(count);
                return;
            }
            count -= piece.len();
            // What is written gives its memory back at once.
            self.0.pop_front();
        }
        assert_eq!(count, 0, "advanced past the end of an answer");
    }
}

/// Encodes an answer.
///
/// An error means that a handler set a field that this version does not have: a fault of ours.
pub(crate) fn encode<R: Encodable + HeaderVersion + 'static>(
    mut answer: R,
    version: i16,
    correlation_id: i32,
) -> Result<Pieces, String> {
    let mut own = BytesMut::new();
    own.put_i32(0); // The length, once it is known.
    own.put_i32(correlation_id);
    if R::header_version(version) >= 1 {
        own.put_u8(0);
    }
    let pieces = if let Some(fetch) = (&mut answer as &mut dyn Any).downcast_mut() {
        let mut writer = FetchWriter { version, own, pieces: Pieces::default() };
        writer.answer(fetch)?;
        writer.pieces.push(writer.own.freeze());
        writer.pieces
    } else {
        own.reserve(answer.compute_size(version).map_err(|error| error.to_string())?);
        answer.encode(&mut own, version).map_err(|error| error.to_string())?;
        own.into()
    };
    pieces.with_length()
}

/// Writes an answer to Fetch without copying its records.
///
/// In each of its structs what holds most is the last field before the tags. So a struct is encoded
/// with that field empty, the empty field's length is replaced by the real one, and its content and
/// the tags follow.
struct FetchWriter {
    version: i16,
    own: BytesMut,
    pieces: Pieces,
}

impl FetchWriter {
    fn answer(&mut self, answer: &mut FetchResponse) -> Result<(), String> {
        let topics = std::mem::take(&mut answer.responses);
        self.begin(answer, topics.len())?;
        for mut topic in topics {
            let partitions = std::mem::take(&mut topic.partitions);
            self.begin(&topic, partitions.len())?;
            for mut partition in partitions {
                let records = partition.records.replace(Bytes::new()).unwrap_or_default();
                self.begin(&partition, records.len())?;
                if !records.is_empty() {
                    self.pieces.push(self.own.split().freeze());
                    self.pieces.push(records);
                }
                self.end();
            }
            self.end();
        }
        self.end();
        Ok(())
    }

    /// A struct up to the length of its last field, which is empty in `outline`.
    fn begin(&mut self, outline: &impl Encodable, length: usize) -> Result<(), String> {
        outline.encode(&mut self.own, self.version).map_err(|error| error.to_string())?;
        let empty: &[u8] = if self.is_flexible() { &[1, 0] } else { &[0; 4] };
        if !self.own.ends_with(empty) {
            return Err("something follows the records in an answer to Fetch".to_owned());
        }
        self.own.truncate(self.own.len() - empty.len());
        let length = u32::try_from(length).map_err(|_| format!("{length} bytes are too many"))?;
        if self.is_flexible() {
            put_varint(&mut self.own, length + 1);
        } else {
            self.own.put_u32(length);
        }
        Ok(())
    }

    /// The tags at the end of a struct: none.
    fn end(&mut self) {
        if self.is_flexible() {
            self.own.put_u8(0);
        }
    }

    fn is_flexible(&self) -> bool {
        self.version >= FETCH_FLEXIBLE
    }
}

/// In groups of 7 bits, lowest first, as [`crate::wire::reader::Reader::varint`] reads it.
fn put_varint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::fetch_response::{
        AbortedTransaction, FetchableTopicResponse, PartitionData,
    };
    use kafka_protocol::messages::{ProducerId, TopicName};
    use kafka_protocol::protocol::StrBytes;

    use super::*;

    fn partition(index: i32, records: Option<&'static [u8]>) -> PartitionData {
        PartitionData::default()
            .with_partition_index(index)
            .with_high_watermark(7)
            .with_aborted_transactions(Some(vec![
                AbortedTransaction::default().with_producer_id(ProducerId(5)).with_first_offset(3),
            ]))
            .with_records(records.map(Bytes::from_static))
    }

    #[test]
    fn fetch_is_written_as_kafka_protocol_would() {
        static LARGE: [u8; 300] = [9; 300];
        for version in 4..=17 {
            let mut topic = FetchableTopicResponse::default().with_partitions(vec![
                partition(0, Some(b"records")),
                partition(1, Some(b"")),
                partition(2, Some(&LARGE)),
            ]);
            if version < 13 {
                topic.topic = TopicName(StrBytes::from_static_str("topic"));
            }
            let answer = FetchResponse::default()
                .with_responses(vec![topic, FetchableTopicResponse::default()]);
            let mut wanted = BytesMut::new();
            wanted.put_i32(0);
            wanted.put_i32(42);
            if version >= FETCH_FLEXIBLE {
                wanted.put_u8(0);
            }
            answer.encode(&mut wanted, version).unwrap();
            let length = wanted.len() as i32 - 4;
            wanted[..4].copy_from_slice(&length.to_be_bytes());

            let pieces = encode(answer, version, 42).unwrap();
            assert!(pieces.0.len() > 3, "records are pieces of their own");
            assert_eq!(pieces.join(), wanted, "version {version}");
        }
    }

    #[test]
    fn pieces_are_read_over_their_borders() {
        let mut pieces = Pieces::default();
        for piece in ["abc", "", "de", "f"] {
            pieces.push(Bytes::from_static(piece.as_bytes()));
        }
        let mut slices = [IoSlice::new(&[]), IoSlice::new(&[])];
        assert_eq!(pieces.chunks_vectored(&mut slices), 2);
        assert_eq!((&*slices[0], &*slices[1]), (&b"abc"[..], &b"de"[..]));
        pieces.advance(4);
        assert_eq!((pieces.remaining(), pieces.chunk()), (2, &b"e"[..]));
        pieces.advance(2);
        assert_eq!((pieces.remaining(), pieces.chunk()), (0, &b""[..]));
    }
}
