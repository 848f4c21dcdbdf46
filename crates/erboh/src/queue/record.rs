//! Record: one message as it stands in a log.

use rdkafka::message::{BorrowedMessage, Headers, Message};

/// A record that was read. It lives in the reader's memory.
pub struct Record<'a>(pub(super) BorrowedMessage<'a>);

impl Record<'_> {
    /// The partition it stands in.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.0.partition()
    }

    /// Its offset in the partition.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.0.offset()
    }

    /// Its time in milliseconds since 1970, -1 if it has none.
    #[must_use]
    pub fn timestamp_ms(&self) -> i64 {
        self.0.timestamp().to_millis().unwrap_or(-1)
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.0.key()
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.0.payload()
    }

    /// The value of the first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.headers()?.iter().find(|header| header.key == name)?.value
    }
}
