//! The byte order mark before a UTF-8 text.

/// What editors on Windows put before a text. It says nothing about the content, and a reader of JSON
/// may ignore it (RFC 8259, 8.1).
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A text without its byte order mark.
#[must_use]
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}
