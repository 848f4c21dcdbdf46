//! Trace context: which step of which trace a request belongs to, as W3C Trace Context (level 1)
//! writes it.
//!
//! ```text
//!  traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
//!               ││ trace id, 16 bytes               parent id, 8     flags
//!               version
//!  tracestate:  vendor=opaque,other@tenant=opaque      at most 32 members
//! ```
//!
//! The standard wants a reader to be strict: what is not exactly of this form is as good as no
//! header at all, and a bad `tracestate` does not spoil a good `traceparent`.

use axum::http::HeaderMap;

use crate::telemetry::spans::Parent;

/// Name of the header, and of the record header, that names trace and step.
pub const TRACEPARENT: &str = "traceparent";
/// Name of the header, and of the record header, with what tracing systems add for themselves.
pub const TRACESTATE: &str = "tracestate";

/// Characters of a `traceparent` of version 00.
const LENGTH: usize = 55;
/// The standard demands that 512 characters are passed on, and leaves more to us.
const STATE_CHARS_MAX: usize = 512;
/// Members that the standard allows.
const STATE_MEMBERS_MAX: usize = 32;

/// Where a request stands in a trace that its sender has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    parent: String,
    state: Option<String>,
}

impl TraceContext {
    /// Reads a request's headers; `None` where they hold no valid `traceparent`.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        // Of two nobody can say which one is meant.
        let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
        let parent = parse_parent(parent.to_str().ok()?)?;
        let states = headers.get_all(TRACESTATE).iter().map(|value| value.to_str().ok());
        let state = states.collect::<Option<Vec<_>>>().and_then(|states| join_states(&states));
        Some(Self { parent, state })
    }

    /// The context of a step of our own.
    pub(super) fn of((parent, state): Parent) -> Self {
        Self { parent, state }
    }

    /// The value of `traceparent`.
    #[must_use]
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// The value of `tracestate`, where there is one.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// A `traceparent` as it is passed on. One of a later version is read as far as version 00 goes, and
/// passed on as version 00, since nobody here knows what the rest of it means.
fn parse_parent(text: &str) -> Option<String> {
    let known = text.get(..LENGTH)?;
    let mut parts = known.split('-');
    let (version, trace) = (hex(parts.next()?, 2)?, hex(parts.next()?, 32)?);
    let (parent, flags) = (hex(parts.next()?, 16)?, hex(parts.next()?, 2)?);
    let is_zero = |id: &str| id.bytes().all(|digit| digit == b'0');
    if version == "ff" || is_zero(trace) || is_zero(parent) {
        return None;
    }
    if version == "00" {
        return (text.len() == LENGTH).then(|| text.to_owned());
    }
    if text.len() > LENGTH && text.as_bytes()[LENGTH] != b'-' {
        return None;
    }
    // Of the flags only "sampled" has a meaning in version 00.
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1;
    Some(format!("00-{trace}-{parent}-{sampled:02x}"))
}

/// A part of exactly so many hexadecimal digits; capitals are wrong.
fn hex(part: &str, digits: usize) -> Option<&str> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (part.len() == digits && part.bytes().all(is_digit)).then_some(part)
}

/// The members of one or more `tracestate` headers as one value.
fn join_states(states: &[&str]) -> Option<String> {
    let members = states.iter().flat_map(|state| state.split(','));
    let members: Vec<&str> = members.map(trim).filter(|member| !member.is_empty()).collect();
    let keys: Option<Vec<&str>> = members.iter().map(|member| member_key(member)).collect();
    let mut keys = keys?;
    keys.sort_unstable();
    let twice = keys.windows(2).any(|pair| pair[0] == pair[1]);
    let state = members.join(",");
    let fits = (1..=STATE_MEMBERS_MAX).contains(&members.len()) && state.len() <= STATE_CHARS_MAX;
    (fits && !twice).then_some(state)
}

fn trim(member: &str) -> &str {
    member.trim_matches([' ', '\t'])
}

/// The key of `key=value`, if both are of the standard's form.
fn member_key(member: &str) -> Option<&str> {
    let (key, value) = member.split_once('=')?;
    let is_value = |byte: u8| matches!(byte, 0x20..=0x7e) && byte != b'=';
    // A comma cannot stand here, and a space at the end was trimmed.
    let value_is_good = (1..=256).contains(&value.len()) && value.bytes().all(is_value);
    let key_is_good = match key.split_once('@') {
        None => is_key(key, 256) && key.as_bytes()[0].is_ascii_lowercase(),
        Some((tenant, system)) => {
            is_key(tenant, 241) && is_key(system, 14) && system.as_bytes()[0].is_ascii_lowercase()
        }
    };
    (value_is_good && key_is_good).then_some(key)
}

/// Whether this is a part of a key, with at least one character.
fn is_key(part: &str, chars_max: usize) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=chars_max).contains(&part.len())
        && is_letter(part.as_bytes()[0])
        && part.bytes().all(|byte| is_letter(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/'))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;

    use super::{TRACEPARENT, TRACESTATE, TraceContext};

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(headers: &[(&'static str, &str)]) -> Option<TraceContext> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        TraceContext::read(&map)
    }

    #[test]
    fn a_traceparent_is_read_strictly() {
        let check = |text: &str, expected: Option<&str>| {
            let found = read(&[(TRACEPARENT, text)]);
            assert_eq!(found.as_ref().map(TraceContext::parent), expected, "{text}");
        };
        check(GOOD, Some(GOOD));
        let unsampled = format!("00-{TRACE}-00f067aa0ba902b7-00");
        check(&unsampled, Some(&unsampled));
        for bad in [
            String::new(),
            GOOD.to_uppercase(),
            format!("{GOOD}-"),
            format!("{GOOD} "),
            GOOD.replace("00-4", "0-4"),
            GOOD.replace("00-4", "ff-4"),
            GOOD.replace("00-4", "0x-4"),
            GOOD.replace("-01", "-0g"),
            GOOD.replace("-01", "-1"),
            GOOD.replace('-', "_"),
            GOOD.replace(TRACE, &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GOOD.replace(TRACE, "ä"),
        ] {
            check(&bad, None);
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let check = |rest: &str, expected: Option<&str>| {
            let text = GOOD.replacen("00", "cc", 1) + rest;
            let found = read(&[(TRACEPARENT, &text)]);
            assert_eq!(found.as_ref().map(TraceContext::parent), expected, "{text}");
        };
        check("", Some(GOOD));
        check("-what-the-future-brings", Some(GOOD));
        check("1", None);
        check("0-what", None);
    }

    #[test]
    fn two_parents_are_none() {
        assert_eq!(read(&[(TRACEPARENT, GOOD), (TRACEPARENT, GOOD)]), None);
        assert_eq!(read(&[(TRACESTATE, "a=1")]), None);
    }

    #[test]
    fn a_tracestate_is_passed_on_if_it_is_valid() {
        let check = |states: &[&str], expected: Option<&str>| {
            let states = states.iter().map(|state| (TRACESTATE, *state));
            let headers: Vec<_> = states.chain([(TRACEPARENT, GOOD)]).collect();
            let found = read(&headers).expect("the traceparent is good whatever the state is");
            assert_eq!(found.state(), expected, "{headers:?}");
        };
        check(&[], None);
        check(&["a=1"], Some("a=1"));
        check(&["a=1, b=2 ,,c@d=x y"], Some("a=1,b=2,c@d=x y"));
        check(&["a=1", "b=2"], Some("a=1,b=2"));
        check(&["1tenant@system=v"], Some("1tenant@system=v"));
        for bad in ["a", "A=1", "1=1", "a=1=2", "=1", "a=", "a=1,a=2", "a@=1", "@a=1", "a=\u{e4}"] {
            check(&[bad], None);
        }
        let members = |count| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        check(&[&members(32)], Some(&members(32)));
        check(&[&members(33)], None);
        check(&[&format!("a={}", "x".repeat(257))], None);
        let three = ["a", "b", "c"].map(|key| format!("{key}={}", "x".repeat(200))).join(",");
        check(&[&three], None);
    }

    proptest! {
        /// Whatever arrives, what is passed on would be read as the same again.
        #[test]
        fn what_is_passed_on_is_valid(
            parent in "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[ -~]{0,9})?",
            state in "[ -~]{0,60}",
        ) {
            if let Some(context) = read(&[(TRACEPARENT, &parent), (TRACESTATE, &state)]) {
                let mut again = vec![(TRACEPARENT, context.parent())];
                again.extend(context.state().map(|state| (TRACESTATE, state)));
                prop_assert_eq!(read(&again), Some(context.clone()));
            }
        }
    }
}
