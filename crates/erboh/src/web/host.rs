//! The name that a request calls this service by, and which names are answered.
//!
//! A site can give its own name the address 127.0.0.1 after its page was loaded (DNS rebinding).
//! To the browser, the page and a service on this machine are one origin then, and no other check
//! tells them apart; but the request still carries the site's name. So a service that listens on
//! loopback and trusts whoever reaches it answers only to the names of this machine.
//!
//! ```text
//!  Host: localhost:3000  *.localhost  127.0.0.1  [::1]   answered
//!  Host: evil.example:3000                               421 misdirected (only Names::Local)
//!  Host missing, twice, or no host                       400 bad-host
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, Version};
use axum::middleware::Next;
use axum::response::Response;
use tokio::net::TcpListener;

use super::{Problem, kinds, refusal};

/// The names that a service answers to. Stands in the extensions of a request; without it, as in
/// a router that is behind no listener, nothing is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Those that can only mean this machine.
    Local,
    /// All: the service is made for other machines, and what they call it is their affair.
    Any,
}

impl Names {
    /// The names for whatever listens there.
    #[must_use]
    pub fn of(listener: &TcpListener) -> Self {
        match listener.local_addr() {
            Ok(address) if !address.ip().to_canonical().is_loopback() => Self::Any,
            // An address that the system does not tell is the strict case.
            _ => Self::Local,
        }
    }
}

/// Lets through what calls the service by one of its [`Names`].
pub async fn check(request: Request, next: Next) -> Response {
    let Some(names) = request.extensions().get::<Names>().copied() else {
        return next.run(request).await;
    };
    let problem = match authority(request.uri(), request.headers()) {
        Err(cause) => bad_host(cause),
        // Only HTTP/1.0 did without. No browser speaks it, but simple health checks do.
        Ok(None) if request.version() < Version::HTTP_11 => return next.run(request).await,
        Ok(None) => bad_host("it is missing"),
        Ok(Some(authority)) if names == Names::Any || is_local(authority.host()) => {
            return next.run(request).await;
        }
        Ok(Some(authority)) => Problem::new(
            kinds::MISDIRECTED,
            format!(
                "This service listens on this machine only and answers to the names localhost and \
                 127.0.0.1, not to {}: a foreign site could have given its name this address. Use \
                 one of those names, or have the proxy in front send one of them as Host.",
                authority.host()
            ),
        ),
    };
    refusal(&request, problem)
}

fn bad_host(cause: &str) -> Problem {
    Problem::new(
        kinds::BAD_HOST,
        format!("The header Host must name this service once, as host or host:port; {cause}."),
    )
}

/// The authority that a request is for: that of a target in absolute form, otherwise the Host
/// header's (RFC 9112, 3.2). The error says what is wrong with the header.
pub(super) fn authority(uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, &'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("it is given more than once");
    }
    if let Some(authority) = uri.authority() {
        return Ok(Some(authority.clone()));
    }
    let Some(host) = host else { return Ok(None) };
    let authority = Authority::try_from(host.as_bytes()).map_err(|_| "its value is none")?;
    // Somebody's name before an @ is no part of a Host header.
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err("its value is none");
    }
    Ok(Some(authority))
}

/// Whether a name cannot lead to another machine: `localhost` and below it (RFC 6761, 6.3), and
/// the loopback addresses.
fn is_local(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(address) = address {
        return address.parse().is_ok_and(|ip: Ipv6Addr| ip.to_canonical().is_loopback());
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        let check = |host, expected| assert_eq!(is_local(host), expected, "{host}");
        for host in ["localhost", "LocalHost", "localhost.", "a.localhost", "127.0.0.1"] {
            check(host, true);
        }
        for host in ["127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"] {
            check(host, true);
        }
        for host in ["evil.example", "localhost.evil.example", "notlocalhost", "0.0.0.0", ""] {
            check(host, false);
        }
        for host in ["127.0.0.1.evil.example", "10.0.0.1", "[::]", "[::2]", "127.1", "::1", "[x]"] {
            check(host, false);
        }
    }

    #[test]
    fn the_target_wins_over_the_header_and_the_header_stands_alone() {
        let named = |uri: &'static str, hosts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, axum::http::HeaderValue::from_static(host));
            }
            let authority = authority(&Uri::from_static(uri), &headers)?;
            Ok::<_, &str>(authority.map(|authority| authority.to_string()))
        };
        assert_eq!(named("/", &["a:1"]), Ok(Some("a:1".to_owned())));
        assert_eq!(named("http://b:2/", &["a:1"]), Ok(Some("b:2".to_owned())));
        assert_eq!(named("/", &[]), Ok(None));
        assert!(named("/", &["a", "a"]).is_err());
        assert!(named("http://b/", &["a", "a"]).is_err());
        for wrong in ["", "me@a", "a b", "http://a/"] {
            assert!(named("/", &[wrong]).is_err(), "{wrong}");
        }
    }
}
