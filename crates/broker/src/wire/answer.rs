//! An answer as it goes onto the socket: length, correlation id, body, in one buffer.

use bytes::{BufMut, BytesMut};
use kafka_protocol::protocol::{Encodable, HeaderVersion};

/// Encodes an answer. The buffer is made at its final size, so record bytes are copied once.
///
/// An error means that a handler set a field that this version does not have: a fault of ours.
pub(crate) fn encode<R: Encodable + HeaderVersion>(
    answer: &R,
    version: i16,
    correlation_id: i32,
) -> Result<BytesMut, String> {
    let flexible = R::header_version(version) >= 1;
    let size = answer.compute_size(version).map_err(|error| error.to_string())?;
    let length = 4 + usize::from(flexible) + size;
    let mut buffer = BytesMut::with_capacity(4 + length);
    buffer.put_i32(i32::try_from(length).map_err(|_| format!("{length} bytes are too many"))?);
    buffer.put_i32(correlation_id);
    if flexible {
        buffer.put_u8(0);
    }
    answer.encode(&mut buffer, version).map_err(|error| error.to_string())?;
    debug_assert_eq!(buffer.len(), 4 + length, "kafka-protocol computed another size");
    Ok(buffer)
}
