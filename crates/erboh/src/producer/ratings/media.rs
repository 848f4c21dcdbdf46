//! Media: in which form a request brings its ratings, and in which it wants the answer.
//!
//! ```text
//!  content-type      application/json      one object, or an array
//!                    application/x-ndjson  one object a line; also application/ndjson, application/jsonl
//!  content-encoding  gzip, zstd            or none; one of them, once
//!  prefer            return=minimal        RFC 7240: only what was not created
//! ```

use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};

use crate::web::body::media_type;
use crate::web::{Problem, kinds};

/// What a body of lines is called here: the most used of its names, none of which is registered.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// How the ratings of a body are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON value.
    Json,
    /// Lines of JSON.
    Lines,
}

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Format {
    /// Only JSON, named as such. This also keeps other sites' forms out: a browser asks before it
    /// sends JSON to another site, and is not allowed to.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let kind = media_type(headers);
        match kind.to_ascii_lowercase().as_str() {
            "application/json" => Ok(Self::Json),
            NDJSON | "application/ndjson" | "application/jsonl" => Ok(Self::Lines),
            "" => Err(unsupported("there is none")),
            _ => Err(unsupported(&format!("this is {kind}"))),
        }
    }
}

fn unsupported(found: &str) -> Problem {
    Problem::new(
        kinds::UNSUPPORTED_MEDIA_TYPE,
        format!(
            "Send one rating or an array with content-type: application/json, or a rating a line \
             with content-type: {NDJSON}; {found}."
        ),
    )
}

impl Coding {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut codings = headers
            .get_all(CONTENT_ENCODING)
            .iter()
            .flat_map(|value| value.to_str().unwrap_or("not readable").split(','))
            .map(|coding| coding.trim().to_ascii_lowercase())
            .filter(|coding| !coding.is_empty() && coding != "identity");
        match (codings.next().as_deref(), codings.next()) {
            (None, _) => Ok(Self::Identity),
            (Some("gzip" | "x-gzip"), None) => Ok(Self::Gzip),
            (Some("zstd"), None) => Ok(Self::Zstd),
            (Some(first), second) => {
                let found = second.map_or(first.to_owned(), |second| format!("{first}, {second}"));
                Err(Problem::new(
                    kinds::UNSUPPORTED_CODING,
                    format!(
                        "Compress a body once, with gzip or zstd, or not at all; this is {found}."
                    ),
                ))
            }
        }
    }
}

/// A problem as the answer. Where the coding was at fault it names those that are taken, as RFC 9110 asks.
pub(super) fn refuse(problem: Problem) -> Response {
    let coding = problem.kind == kinds::UNSUPPORTED_CODING;
    let mut response = problem.into_response();
    if coding {
        let taken = HeaderValue::from_static("gzip, zstd");
        response.headers_mut().insert(ACCEPT_ENCODING, taken);
    }
    response
}

/// Whether the client wants to hear only of what was not created.
pub(super) fn wants_minimal(headers: &HeaderMap) -> bool {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|preference| preference.split(';').next()?.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("return"))
        .is_some_and(|(_, value)| value.trim().trim_matches('"') == "minimal")
}

/// An answer that says, by RFC 7240, whether that preference was followed.
pub(super) fn applied(minimal: bool, mut answer: Response) -> Response {
    if minimal {
        let value = HeaderValue::from_static("return=minimal");
        answer.headers_mut().insert("preference-applied", value);
    }
    answer
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let values = values
            .iter()
            .map(|value| (HeaderName::from_static(name), value.parse().expect("a value")));
        values.collect()
    }

    #[test]
    fn the_content_type_names_the_format() {
        let check = |values: &[&str], expected: Result<Format, &str>| {
            let found = Format::of(&headers("content-type", values));
            assert_eq!(found.map_err(|problem| problem.kind.code), expected, "{values:?}");
        };
        check(&["application/json"], Ok(Format::Json));
        check(&["Application/JSON ; charset=utf-8"], Ok(Format::Json));
        for lines in [NDJSON, "application/ndjson", "application/jsonl; charset=utf-8"] {
            check(&[lines], Ok(Format::Lines));
        }
        for other in [&[][..], &[""], &["text/plain"], &["application/jsonp"]] {
            check(other, Err("unsupported-media-type"));
        }
    }

    #[test]
    fn a_body_is_compressed_once_at_most() {
        let check = |values: &[&str], expected: Result<Coding, &str>| {
            let found = Coding::of(&headers("content-encoding", values));
            assert_eq!(found.map_err(|problem| problem.kind.code), expected, "{values:?}");
        };
        for none in [&[][..], &[""], &["identity"], &["identity, identity"]] {
            check(none, Ok(Coding::Identity));
        }
        check(&["gzip"], Ok(Coding::Gzip));
        check(&["X-GZip"], Ok(Coding::Gzip));
        check(&["identity", "ZSTD"], Ok(Coding::Zstd));
        for bad in [&["br"][..], &["gzip, zstd"], &["gzip", "gzip"], &["deflate"]] {
            check(bad, Err("unsupported-coding"));
        }
    }

    #[test]
    fn the_preference_is_one_of_several() {
        let check = |values: &[&str], expected: bool| {
            assert_eq!(wants_minimal(&headers("prefer", values)), expected, "{values:?}");
        };
        check(&["return=minimal"], true);
        check(&["respond-async, Return=\"minimal\"; a=b"], true);
        check(&["wait=5", "return = minimal"], true);
        check(&["return=representation, return=minimal"], false);
        check(&["minimal"], false);
        check(&[], false);
    }
}
