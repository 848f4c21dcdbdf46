//! What a request brings to show who it is from: the one header `Authorization`.
//!
//! ```text
//!  Authorization: Bearer TOKEN                     RFC 6750, programs
//!  Authorization: Basic base64(NAME:TOKEN)         RFC 7617, what a browser's log-in box makes;
//!                                                  NAME may be empty
//! ```

use std::borrow::Cow;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Why a request may not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Refusal {
    /// It brings no token.
    Missing,
    /// It brings something that cannot be read as one.
    Malformed,
    /// It brings a token that is not, or not any more, in the file, or under another's name.
    Unknown,
}

impl Refusal {
    /// The reason in one word, for numbers and logs.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
        }
    }
}

/// A token as a request brings it, and the name that it claims. There is no `Debug`, so that it
/// can be printed nowhere.
pub(super) struct Credentials<'a> {
    /// The name, where one was given.
    pub(super) name: Option<Cow<'a, str>>,
    /// The token's bytes.
    pub(super) token: Cow<'a, [u8]>,
}

impl<'a> Credentials<'a> {
    /// Those of a request.
    pub(super) fn of(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(Refusal::Missing)?;
        if values.next().is_some() {
            // Which of them a proxy has looked at, nobody knows.
            return Err(Refusal::Malformed);
        }
        let value = value.to_str().map_err(|_| Refusal::Malformed)?;
        let (scheme, rest) = value.split_once(' ').ok_or(Refusal::Malformed)?;
        let rest = rest.trim_matches(' ');
        if rest.is_empty() || rest.contains([' ', '\t']) {
            return Err(Refusal::Malformed);
        }
        if scheme.eq_ignore_ascii_case("bearer") {
            return Ok(Self { name: None, token: rest.as_bytes().into() });
        }
        if scheme.eq_ignore_ascii_case("basic") {
            return Self::basic(rest).ok_or(Refusal::Malformed);
        }
        Err(Refusal::Malformed)
    }

    fn basic(encoded: &str) -> Option<Self> {
        let mut token = STANDARD.decode(encoded).ok()?;
        let colon = token.iter().position(|byte| *byte == b':')?;
        let name = String::from_utf8(token.drain(..=colon).take(colon).collect()).ok()?;
        Some(Self {
            name: Some(name.into()).filter(|name: &Cow<'_, str>| !name.is_empty()),
            token: token.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(values: &[&str], expected: Result<(Option<&str>, &str), Refusal>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let found = Credentials::of(&headers);
        let found = found
            .as_ref()
            .map(|found| (found.name.as_deref(), std::str::from_utf8(&found.token).unwrap()));
        assert_eq!(found.map_err(|refusal| *refusal), expected, "{values:?}");
    }

    #[test]
    fn both_schemes_are_read() {
        check(&["Bearer abc"], Ok((None, "abc")));
        check(&["bEARER  abc "], Ok((None, "abc")));
        check(&["Basic bGFiOnRva2Vu"], Ok((Some("lab"), "token")));
        check(&["basic OnRva2Vu"], Ok((None, "token")));
        check(&["Basic bGFiOnRvOmtlbg=="], Ok((Some("lab"), "to:ken")));
        check(&["Basic bGFiOg=="], Ok((Some("lab"), "")));
    }

    #[test]
    fn what_is_no_credential_is_refused() {
        check(&[], Err(Refusal::Missing));
        for wrong in ["", "Bearer", "Bearer ", "Bearer a b", "abc", "Digest abc", "Bearerabc abc"] {
            check(&[wrong], Err(Refusal::Malformed));
        }
        for wrong in ["Basic !", "Basic bGFi", "Basic bGFiOg", "Basic /zp0", "Bearer tökn"] {
            check(&[wrong], Err(Refusal::Malformed));
        }
        check(&["Bearer abc", "Bearer abc"], Err(Refusal::Malformed));
    }
}
