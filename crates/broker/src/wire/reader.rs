//! A reader walks bytes that a client sent, and never past their end.

use bytes::Buf;

/// Why bytes cannot be a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a field reaches past the end of the request")]
    Short,
    #[error("a length is negative")]
    NegativeLength,
    #[error("a variable-length integer is longer than 32 bits")]
    LongVarint,
    #[error("an array announces {announced} elements with {left} bytes left")]
    Array { announced: usize, left: usize },
    #[error("more than {} array elements and tagged fields", crate::limits::REQUEST_ELEMENTS)]
    Elements,
    #[error("tagged field {tag} is not as long as it says")]
    Tag { tag: u32 },
    #[error("text is not UTF-8")]
    Text,
    #[error("a text of {0} bytes is longer than any may be")]
    LongText(usize),
}

/// What is left to read. Every step either succeeds within the bytes or says why not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn left(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn i8(&mut self) -> Result<i8, Malformed> {
        self.0.try_get_i8().map_err(|_| Malformed::Short)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Malformed> {
        self.0.try_get_i16().map_err(|_| Malformed::Short)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        self.0.try_get_i32().map_err(|_| Malformed::Short)
    }

    /// An unsigned integer in groups of 7 bits, lowest first, at most 5 bytes.
    pub(crate) fn varint(&mut self) -> Result<u32, Malformed> {
        let mut value = 0u32;
        for group in 0..5 {
            let byte = self.0.try_get_u8().map_err(|_| Malformed::Short)?;
            if group == 4 && byte > 0x0f {
                return Err(Malformed::LongVarint);
            }
            value |= u32::from(byte & 0x7f) << (group * 7);
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }
}

/// A length where -1 means null.
pub(crate) fn nullable(length: i64) -> Result<Option<usize>, Malformed> {
    match length {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| Malformed::NegativeLength),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_have_at_most_32_bits() {
        let check = |bytes: &[u8], expected| assert_eq!(Reader::new(bytes).varint(), expected);
        check(&[0], Ok(0));
        check(&[0xac, 0x02], Ok(300));
        check(&[0xff, 0xff, 0xff, 0xff, 0x0f], Ok(u32::MAX));
        check(&[0xff, 0xff, 0xff, 0xff, 0x10], Err(Malformed::LongVarint));
        check(&[0xff, 0xff, 0xff, 0xff, 0xff], Err(Malformed::LongVarint));
        check(&[0x80], Err(Malformed::Short));
    }

    #[test]
    fn takes_never_pass_the_end() {
        let mut reader = Reader::new(b"abc");
        assert_eq!(reader.take(usize::MAX), Err(Malformed::Short));
        assert_eq!(reader.take(3), Ok(&b"abc"[..]));
        assert_eq!(reader.i8(), Err(Malformed::Short));
        assert_eq!(nullable(-2), Err(Malformed::NegativeLength));
    }
}
