//! Which page a request comes from, and whether that page may change anything here.
//!
//! A browser sends along with any site's form what it keeps for us: the log-in of this service,
//! and the right to reach this machine. It also says, in headers that no script can set, where
//! the form stood. That is enough; no hidden token in a form is needed.
//!
//! ```text
//!  Sec-Fetch-Site   same-origin, none ──► ours, or typed by a person    passes
//!                   anything else     ──► another site                  403 cross-site
//!  no such header   Origin = Host     ──► ours (a browser on plain http) passes
//!                   Origin differs    ──► another site                  403 cross-site
//!  neither                            ──► no browser, nothing is sent along unasked: passes
//! ```
//!
//! It is asked of every method that may change something, on both services, before a body is read.

use axum::extract::Request;
use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, HeaderName, Method, Uri};
use axum::middleware::Next;
use axum::response::Response;

use super::{Problem, host, kinds, refusal};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who sent a request, as far as its headers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Something that is no browser, or one that is older than these headers.
    Program,
    /// A page of this service in a browser, or a person who typed the address.
    OwnPage,
    /// A page of another site, also one on another port of this machine.
    OtherSite,
}

impl Sender {
    /// Judges by the headers of a request for `uri`. What is doubtful is another site.
    #[must_use]
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        if headers.contains_key(SEC_FETCH_SITE) {
            return match single(headers, &SEC_FETCH_SITE) {
                Some("same-origin" | "none") => Self::OwnPage,
                _ => Self::OtherSite,
            };
        }
        if !headers.contains_key(ORIGIN) {
            return Self::Program;
        }
        let host = host::authority(uri, headers).ok().flatten();
        match (single(headers, &ORIGIN), host) {
            (Some(origin), Some(host)) if is_same(origin, host.as_str()) => Self::OwnPage,
            _ => Self::OtherSite,
        }
    }
}

/// Lets through what changes nothing, and what no other site has sent.
pub async fn check(request: Request, next: Next) -> Response {
    if is_safe(request.method())
        || Sender::of(request.uri(), request.headers()) != Sender::OtherSite
    {
        return next.run(request).await;
    }
    let problem = Problem::new(
        kinds::CROSS_SITE,
        "This request comes from a page of another site, which may not change anything here. Do \
         it on this service's own pages; programs leave the headers Origin and Sec-Fetch-Site out.",
    );
    refusal(&request, problem)
}

/// Whether a method only looks (RFC 9110, 9.2.1).
#[must_use]
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// A header that stands there once and is text.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Whether an origin, such as `http://localhost:3000`, is at that host. Its scheme cannot be
/// compared: a proxy that ends TLS is asked for https and asks for http.
fn is_same(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    // A port that the scheme implies may be left out on either side.
    let plain = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    plain(authority) == plain(host)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_headers_tell_who_sends() {
        let check = |headers: &[(&'static str, &'static str)], expected| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, HeaderValue::from_static(value));
            }
            assert_eq!(Sender::of(&Uri::from_static("/"), &map), expected, "{headers:?}");
        };
        let host = ("host", "Localhost:3000");
        check(&[host], Sender::Program);
        check(&[host, ("sec-fetch-site", "same-origin")], Sender::OwnPage);
        check(&[host, ("sec-fetch-site", "none")], Sender::OwnPage);
        check(&[host, ("sec-fetch-site", "same-site")], Sender::OtherSite);
        check(&[host, ("sec-fetch-site", "cross-site")], Sender::OtherSite);
        check(&[host, ("sec-fetch-site", "")], Sender::OtherSite);
        let twice = ("sec-fetch-site", "same-origin");
        check(&[host, twice, twice], Sender::OtherSite);
        check(&[host, ("origin", "http://localhost:3000")], Sender::OwnPage);
        check(&[host, ("origin", "https://localhost:3000")], Sender::OwnPage);
        check(&[host, ("origin", "http://localhost:3001")], Sender::OtherSite);
        check(&[host, ("origin", "http://localhost")], Sender::OtherSite);
        check(&[host, ("origin", "null")], Sender::OtherSite);
        check(&[host, ("origin", "file://localhost:3000")], Sender::OtherSite);
        check(&[("origin", "http://localhost:3000")], Sender::OtherSite);
        check(&[host, host, ("origin", "http://localhost:3000")], Sender::OtherSite);
        // What the browser says outright counts more than what can be derived.
        let own = ("origin", "http://localhost:3000");
        check(&[host, own, ("sec-fetch-site", "cross-site")], Sender::OtherSite);
    }

    #[test]
    fn a_port_that_the_scheme_implies_may_be_left_out() {
        assert!(is_same("https://erboh.example", "erboh.example:443"));
        assert!(is_same("http://erboh.example", "ERBOH.example:80"));
        assert!(!is_same("http://erboh.example", "erboh.example:443"));
        assert!(!is_same("https://erboh.example", "erboh.example:80"));
        assert!(!is_same("https://erboh.example.evil", "erboh.example"));
    }
}
