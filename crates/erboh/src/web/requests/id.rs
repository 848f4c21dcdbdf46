//! A request's id: what a client, our log and everything between them call one request.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// Longest id that is taken over: room for any usual one, and no place to hide a text in our log.
const CHARS_MAX: usize = 64;

/// The header that carries it, in requests and in answers.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id that the client or a proxy gave, if it is of 1 to 64 characters `A-Z a-z 0-9 . _ -`;
    /// else a new one.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(REQUEST_ID).iter();
        match (given.next(), given.next()) {
            (Some(id), None) if is_id(id.as_bytes()) => Self(id.clone()),
            _ => Self::new(),
        }
    }

    fn new() -> Self {
        let mut text = Uuid::encode_buffer();
        let text = Uuid::now_v7().hyphenated().encode_lower(&mut text);
        // Digits and hyphens are always a header's value.
        Self(HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("none")))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The id as the value of the answer's header.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn is_id(text: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=CHARS_MAX).contains(&text.len()) && text.iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::{CHARS_MAX, REQUEST_ID, RequestId};

    #[test]
    fn only_a_harmless_id_is_taken_over() {
        let check = |given: &[&str], taken: bool| {
            let mut headers = HeaderMap::new();
            for id in given {
                headers.append(REQUEST_ID, HeaderValue::from_str(id).unwrap());
            }
            let id = RequestId::read(&headers);
            assert_eq!(given.first() == Some(&id.as_str()), taken, "{given:?} gave {id:?}");
            assert!(!id.as_str().is_empty());
        };
        check(&["build-17.step_3"], true);
        check(&[&"x".repeat(CHARS_MAX)], true);
        check(&[&"x".repeat(CHARS_MAX + 1)], false);
        check(&["two words"], false);
        check(&["a\"b"], false);
        check(&["one", "two"], false);
        check(&[""], false);
        check(&[], false);
    }

    #[test]
    fn new_ids_differ() {
        assert_ne!(RequestId::new(), RequestId::new());
    }
}
