//! Batch: records that go to one topic together, without an allocation for each.
//!
//! ```text
//!   bytes    key│value│key│value│key│value…        one buffer
//!   spans       └┬────┘   where each key and each value ends
//!   headers  name: value, …                        the same for all of them
//! ```

use std::fmt;

use rdkafka::message::{Header, OwnedHeaders};

/// Records with a key and a value each, in the order in which they were put in.
#[derive(Clone, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    headers: Vec<(String, Vec<u8>)>,
}

/// Where one record ends; it begins where the one before it ends.
#[derive(Clone, Copy)]
struct Span {
    key_end: usize,
    value_end: usize,
}

impl Batch {
    /// A batch without records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        self.push_with(key, |bytes| bytes.extend_from_slice(value));
    }

    /// Adds a record whose value is appended to the buffer by `write`, which saves a copy.
    ///
    /// # Panics
    /// When `write` takes away what stood in the buffer before.
    pub fn push_with(&mut self, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        write(&mut self.bytes);
        let value_end = self.bytes.len();
        assert!(value_end >= key_end, "whoever writes a value only appends");
        self.spans.push(Span { key_end, value_end });
    }

    /// Adds a header to every record, also to those that are in the batch already.
    pub fn header(&mut self, name: &str, value: &[u8]) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// The number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes of all keys and values together. Headers are not counted.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of the headers, which every record carries.
    #[must_use]
    pub fn header_bytes(&self) -> usize {
        self.headers.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Key and value of each record.
    pub(super) fn records(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.spans.iter().map(move |span| {
            let key = &self.bytes[start..span.key_end];
            start = span.value_end;
            (key, &self.bytes[span.key_end..span.value_end])
        })
    }

    /// The headers as librdkafka takes them; none if there are none.
    pub(super) fn shared_headers(&self) -> Option<OwnedHeaders> {
        headers(&self.headers)
    }
}

/// Headers as librdkafka takes them; none if there are none.
pub(super) fn headers(all: &[(String, Vec<u8>)]) -> Option<OwnedHeaders> {
    let empty = (!all.is_empty()).then(|| OwnedHeaders::new_with_capacity(all.len()))?;
    Some(all.iter().fold(empty, |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value.as_slice()) })
    }))
}

/// Without the records: they may be many, and are somebody's.
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (records, bytes) = (self.len(), self.bytes());
        f.debug_struct("Batch").field("records", &records).field("bytes", &bytes).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_as_they_went_in() {
        let mut batch = Batch::new();
        batch.push(b"a", b"one");
        batch.push(b"", b"");
        batch.push_with(b"bb", |bytes| bytes.extend_from_slice(b"two"));
        let all: Vec<(&[u8], &[u8])> = batch.records().collect();
        assert_eq!(all, [(&b"a"[..], &b"one"[..]), (b"", b""), (b"bb", b"two")]);
        assert_eq!((batch.len(), batch.bytes()), (3, 9));
    }

    #[test]
    #[should_panic(expected = "only appends")]
    fn a_value_cannot_eat_its_key() {
        Batch::new().push_with(b"key", Vec::clear);
    }
}
