//! Sample bodies: random requests that follow a shape, for tests.

use bytes::BufMut;

use crate::wire::shape::{Field, Kind, Shape};

/// A small random generator: the same seed gives the same requests on every machine.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        // xorshift64*, whose high bits are the good ones.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Writes a body of this shape: every array with up to two elements, every known tag now and then,
/// and tags that nobody knows.
pub(crate) fn body(shape: &Shape, version: i16, random: &mut Random) -> Vec<u8> {
    let flexible = shape.is_flexible(version);
    let mut writer = Writer { body: Vec::new(), version, flexible, random };
    writer.fields(shape.fields);
    writer.body
}

struct Writer<'a> {
    body: Vec<u8>,
    version: i16,
    flexible: bool,
    random: &'a mut Random,
}

impl Writer<'_> {
    fn fields(&mut self, fields: &'static [Field]) {
        let version = self.version;
        let here = |field: &&Field| field.is_in(version);
        for field in fields.iter().filter(here).filter(|field| field.tag.is_none()) {
            self.kind(&field.kind);
        }
        if !self.flexible {
            return;
        }
        let mut tags = Vec::new();
        for field in fields.iter().filter(here) {
            if let (Some(tag), true) = (field.tag, self.random.below(2) == 0) {
                let outer = std::mem::take(&mut self.body);
                self.kind(&field.kind);
                tags.push((tag, std::mem::replace(&mut self.body, outer)));
            }
        }
        if self.random.below(4) == 0 {
            tags.push((1000, vec![7; self.random.below(200)]));
        }
        self.varint(tags.len());
        for (tag, value) in tags {
            self.varint(tag as usize);
            self.varint(value.len());
            self.body.extend(value);
        }
    }

    fn kind(&mut self, kind: &Kind) {
        match kind {
            Kind::Fixed(size) => self.fixed(*size),
            Kind::String => {
                let text = ["", "a", "topic", "group-1", "m\u{fc}"][self.random.below(5)];
                if self.flexible {
                    self.varint(text.len() + 1);
                } else {
                    self.body.put_i16(text.len() as i16);
                }
                self.body.extend(text.as_bytes());
            }
            Kind::Bytes => {
                let length = self.random.below(150);
                self.length(length);
                self.body.extend(std::iter::repeat_n(3, length));
            }
            Kind::List(element) => {
                let count = self.random.below(3);
                self.length(count);
                for _ in 0..count {
                    self.kind(element);
                }
            }
            Kind::Struct(fields) => self.fields(fields),
            Kind::Optional(fields) => {
                if self.random.below(2) == 0 {
                    self.body.put_i8(-1);
                } else {
                    self.body.put_i8(1);
                    self.fields(fields);
                }
            }
        }
    }

    /// Small numbers reach further into handlers than random ones, so most are small.
    fn fixed(&mut self, size: usize) {
        let (sign, last) = match self.random.below(5) {
            0 => (0, 0),
            1 => (0, 1),
            2 => (0xff, 0xff),
            3 => (0, 100),
            _ => (self.random.next() as u8, self.random.next() as u8),
        };
        self.body.extend(std::iter::repeat_n(sign, size - 1));
        self.body.push(last);
    }

    fn length(&mut self, length: usize) {
        if self.flexible {
            self.varint(length + 1);
        } else {
            self.body.put_i32(length as i32);
        }
    }

    fn varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.body.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.body.push(value as u8);
    }
}
