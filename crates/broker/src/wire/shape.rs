//! A shape is the layout of a request's body: enough to walk it without decoding it.
//!
//! kafka-protocol's decoder makes room for as many array elements as the wire announces before it
//! reads the first, so twenty bytes could ask for hundreds of gigabytes. The walk comes first and
//! lets a body pass only if every element that it announces is really there.
//!
//! ```text
//!  body, flexible versions:  field ‖ field ‖ … ‖ tags       strings, bytes, arrays: varint(length + 1)
//!  body, older versions:     field ‖ field ‖ …              strings: i16, bytes and arrays: i32; -1 is null
//!  tags = count:varint ‖ (tag:varint ‖ size:varint ‖ value[size])*       at the end of every struct
//! ```
//!
//! A handler writes its shape beside its code, in the order of the protocol's message definition:
//!
//! ```text
//! pub(crate) const SHAPE: Shape = Shape::new(4, &[
//!     list(&[STRING, list_of(&Kind::Fixed(4)).since(1)]),
//!     I32,
//!     BOOL.since(1),
//! ]);
//! ```

use crate::limits::{REQUEST_ELEMENTS, STRING_BYTES};
use crate::wire::reader::{Malformed, Reader, nullable};

/// The layout of one request type, for all versions that the broker serves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    flexible_since: i16,
    pub(super) fields: &'static [Field],
}

/// One field, and the versions that have it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(super) kind: Kind,
    first: i16,
    last: i16,
    pub(super) tag: Option<u32>,
}

/// What a field looks like on the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// That many bytes.
    Fixed(usize),
    /// Text or null.
    String,
    /// Bytes or null.
    Bytes,
    /// An array, or null.
    List(&'static Kind),
    /// Fields, and tags in flexible versions.
    Struct(&'static [Field]),
    /// A byte that says whether a struct follows: negative is null.
    Optional(&'static [Field]),
}

pub(crate) const BOOL: Field = field(Kind::Fixed(1));
pub(crate) const I8: Field = field(Kind::Fixed(1));
pub(crate) const I16: Field = field(Kind::Fixed(2));
pub(crate) const I32: Field = field(Kind::Fixed(4));
pub(crate) const I64: Field = field(Kind::Fixed(8));
pub(crate) const UUID: Field = field(Kind::Fixed(16));
pub(crate) const STRING: Field = field(Kind::String);
pub(crate) const BYTES: Field = field(Kind::Bytes);

/// An array of structs. Takes a `Kind::Struct`, by reference so that shapes stay constants.
pub(crate) const fn list_of(element: &'static Kind) -> Field {
    field(Kind::List(element))
}

/// A struct that may be null.
pub(crate) const fn optional(fields: &'static [Field]) -> Field {
    field(Kind::Optional(fields))
}

/// A struct that is always there.
pub(crate) const fn inline(fields: &'static [Field]) -> Field {
    field(Kind::Struct(fields))
}

/// An array of structs with these fields.
macro_rules! list {
    [$($field:expr),* $(,)?] => {
        $crate::wire::shape::list_of(&$crate::wire::shape::Kind::Struct(&[$($field),*]))
    };
}
pub(crate) use list;

const fn field(kind: Kind) -> Field {
    Field { kind, first: 0, last: i16::MAX, tag: None }
}

impl Field {
    /// Only in this version and later ones.
    pub(crate) const fn since(self, first: i16) -> Self {
        Self { first, ..self }
    }

    /// Only up to this version.
    pub(crate) const fn until(self, last: i16) -> Self {
        Self { last, ..self }
    }

    /// A tagged field. It has to be named here, because the decoder reads the tags that it knows
    /// by their type and not by the size that the wire announces.
    pub(crate) const fn tagged(self, tag: u32) -> Self {
        Self { tag: Some(tag), ..self }
    }

    pub(super) fn is_in(&self, version: i16) -> bool {
        (self.first..=self.last).contains(&version)
    }
}

impl Shape {
    /// `flexible_since` is the first version with compact lengths and tagged fields; `i16::MAX`
    /// where none has them.
    pub(crate) const fn new(flexible_since: i16, fields: &'static [Field]) -> Self {
        Self { flexible_since, fields }
    }

    pub(crate) fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible_since
    }

    /// Walks a body and returns how many of its bytes the request takes.
    pub(crate) fn check(&self, body: &[u8], version: i16) -> Result<usize, Malformed> {
        let mut walk = Walk {
            reader: Reader::new(body),
            version,
            flexible: self.is_flexible(version),
            elements: 0,
        };
        walk.fields(self.fields)?;
        Ok(body.len() - walk.reader.left())
    }
}

struct Walk<'a> {
    reader: Reader<'a>,
    version: i16,
    flexible: bool,
    elements: usize,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &'static [Field]) -> Result<(), Malformed> {
        for field in fields.iter().filter(|field| field.tag.is_none()) {
            if field.is_in(self.version) {
                self.kind(&field.kind)?;
            }
        }
        if self.flexible { self.tags(fields) } else { Ok(()) }
    }

    fn kind(&mut self, kind: &Kind) -> Result<(), Malformed> {
        match kind {
            Kind::Fixed(size) => self.reader.take(*size).map(drop),
            Kind::String => {
                let length = if self.flexible {
                    self.compact()?
                } else {
                    nullable(self.reader.i16()?.into())?
                };
                let length = length.unwrap_or(0);
                if length > STRING_BYTES {
                    return Err(Malformed::LongText(length));
                }
                self.reader.take(length).map(drop)
            }
            Kind::Bytes => {
                let length = self.length()?.unwrap_or(0);
                self.reader.take(length).map(drop)
            }
            Kind::List(element) => self.list(element),
            Kind::Struct(fields) => self.fields(fields),
            Kind::Optional(fields) => {
                if self.reader.i8()? < 0 {
                    Ok(())
                } else {
                    self.fields(fields)
                }
            }
        }
    }

    fn list(&mut self, element: &Kind) -> Result<(), Malformed> {
        let announced = self.length()?.unwrap_or(0);
        let left = self.reader.left();
        // Every element takes at least one byte.
        if announced > left {
            return Err(Malformed::Array { announced, left });
        }
        self.count(announced)?;
        if let Kind::Fixed(size) = element {
            let total = announced.checked_mul(*size).ok_or(Malformed::Short)?;
            return self.reader.take(total).map(drop);
        }
        for _ in 0..announced {
            self.kind(element)?;
        }
        Ok(())
    }

    fn tags(&mut self, fields: &'static [Field]) -> Result<(), Malformed> {
        let tags = self.reader.varint()? as usize;
        self.count(tags)?;
        for _ in 0..tags {
            let tag = self.reader.varint()?;
            let size = self.reader.varint()? as usize;
            let known =
                fields.iter().find(|field| field.tag == Some(tag) && field.is_in(self.version));
            let Some(field) = known else {
                self.reader.take(size)?;
                continue;
            };
            let before = self.reader.left();
            self.kind(&field.kind)?;
            if before - self.reader.left() != size {
                return Err(Malformed::Tag { tag });
            }
        }
        Ok(())
    }

    fn count(&mut self, more: usize) -> Result<(), Malformed> {
        self.elements = self.elements.saturating_add(more);
        if self.elements > REQUEST_ELEMENTS { Err(Malformed::Elements) } else { Ok(()) }
    }

    fn length(&mut self) -> Result<Option<usize>, Malformed> {
        if self.flexible { self.compact() } else { nullable(self.reader.i32()?.into()) }
    }

    /// A compact length is stored plus one, so that 0 can mean null.
    fn compact(&mut self) -> Result<Option<usize>, Malformed> {
        nullable(i64::from(self.reader.varint()?) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape::new(
        2,
        &[
            list![STRING, list_of(&Kind::Fixed(4)).since(1)],
            I16.until(0),
            optional(&[BOOL]).since(2),
            I32.tagged(0).since(2),
        ],
    );

    fn check(version: i16, body: &[u8], expected: Result<usize, Malformed>) {
        assert_eq!(SHAPE.check(body, version), expected);
    }

    #[test]
    fn walks_the_versions_that_a_field_is_in() {
        check(0, &[0, 0, 0, 1, 0, 1, b'a', 7, 7], Ok(9));
        check(0, &[255, 255, 255, 255, 7, 7, 99], Ok(6));
        check(1, &[0, 0, 0, 1, 255, 255, 0, 0, 0, 1, 1, 2, 3, 4], Ok(14));
        check(2, &[2, 2, b'a', 1, 0, 255, 0], Ok(7));
        check(2, &[1, 0, 1, 0, 1, 0, 4, 1, 2, 3, 4], Ok(11));
        check(2, &[1, 255, 1, 9, 2, 1, 2], Ok(7));
    }

    #[test]
    fn refuses_what_is_not_there() {
        check(0, &[127, 255, 255, 255], Err(Malformed::Array { announced: 0x7fff_ffff, left: 0 }));
        check(0, &[255, 255, 255, 254], Err(Malformed::NegativeLength));
        check(0, &[0, 0, 0, 1, 0, 9, b'a', 7, 7], Err(Malformed::Short));
        check(
            2,
            &[255, 255, 255, 255, 15],
            Err(Malformed::Array { announced: 0xffff_fffe, left: 0 }),
        );
        // The decoder would read four bytes whatever the size says.
        check(2, &[1, 255, 1, 0, 2, 1, 2, 3, 4], Err(Malformed::Tag { tag: 0 }));
    }

    #[test]
    fn refuses_text_that_older_versions_could_not_carry() {
        // A list of one text, which takes 3 bytes for its length, and the tags around it.
        let body = |length: usize| {
            let mut body = vec![2, (length + 1) as u8 | 0x80, ((length + 1) >> 7) as u8 | 0x80];
            body.push(((length + 1) >> 14) as u8);
            body.resize(body.len() + length, b'a');
            body.extend([0, 0, 255, 0]);
            body
        };
        let longest = body(STRING_BYTES);
        check(2, &longest, Ok(longest.len()));
        check(2, &body(STRING_BYTES + 1), Err(Malformed::LongText(STRING_BYTES + 1)));
    }

    #[test]
    fn refuses_more_elements_than_a_request_may_have() {
        let mut body = (REQUEST_ELEMENTS as i32 + 1).to_be_bytes().to_vec();
        body.resize(body.len() + 2 * (REQUEST_ELEMENTS + 1), 0);
        check(0, &body, Err(Malformed::Elements));
    }
}
