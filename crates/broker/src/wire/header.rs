//! The header of a request: which API at which version, and what to write on the answer.

use bytes::{Buf, Bytes};
use kafka_protocol::protocol::StrBytes;

use crate::wire::reader::{Malformed, Reader, nullable};

/// The first eight bytes, which every version of every request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prelude {
    pub(crate) api_key: i16,
    pub(crate) api_version: i16,
    pub(crate) correlation_id: i32,
}

/// Takes the prelude off a frame.
pub(crate) fn prelude(frame: &mut Bytes) -> Result<Prelude, Malformed> {
    let mut reader = Reader::new(frame);
    let prelude = Prelude {
        api_key: reader.i16()?,
        api_version: reader.i16()?,
        correlation_id: reader.i32()?,
    };
    frame.advance(frame.len() - reader.left());
    Ok(prelude)
}

/// Takes the rest of the header off a frame: the client id and, in flexible versions, tags. The
/// client id has a 16-bit length even there, so that a broker can read it before it knows.
pub(crate) fn client_id(frame: &mut Bytes, flexible: bool) -> Result<Option<StrBytes>, Malformed> {
    let mut reader = Reader::new(frame);
    let length = nullable(reader.i16()?.into())?;
    reader.take(length.unwrap_or(0))?;
    if flexible {
        for _ in 0..reader.varint()? {
            reader.varint()?;
            let size = reader.varint()? as usize;
            reader.take(size)?;
        }
    }
    let header = frame.split_to(frame.len() - reader.left());
    let client_id = length.map(|length| StrBytes::from_utf8(header.slice(2..2 + length)));
    client_id.transpose().map_err(|_| Malformed::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_header_and_leaves_the_body() {
        let mut frame =
            Bytes::from_static(&[0, 18, 0, 3, 0, 0, 0, 9, 0, 2, b'm', b'e', 1, 5, 1, 0, 77]);
        let expected = Prelude { api_key: 18, api_version: 3, correlation_id: 9 };
        assert_eq!(prelude(&mut frame), Ok(expected));
        assert_eq!(client_id(&mut frame, true), Ok(Some(StrBytes::from_static_str("me"))));
        assert_eq!(frame, &[77][..]);
    }

    #[test]
    fn refuses_broken_headers() {
        let check = |bytes: &'static [u8], flexible, expected| {
            assert_eq!(client_id(&mut Bytes::from_static(bytes), flexible), expected);
        };
        check(&[0, 3, b'm'], false, Err(Malformed::Short));
        check(&[0, 1, 0xff], false, Err(Malformed::Text));
        check(&[255, 255], true, Err(Malformed::Short));
        check(&[255, 255, 255, 255, 255, 255, 15], true, Err(Malformed::Short));
        check(&[255, 255], false, Ok(None));
        assert_eq!(prelude(&mut Bytes::from_static(&[0; 7])), Err(Malformed::Short));
    }
}
