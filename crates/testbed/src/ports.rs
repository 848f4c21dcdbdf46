//! Free ports for servers whose port must be known before they start.
//!
//! Port 0 would be safer, but the brokers of a cluster must know each other's ports before the
//! first one starts, and a restarted broker needs its old port. So ports are chosen outside the
//! ephemeral range: an outgoing connection could otherwise take the port of a broker that is down.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

use crate::random;

/// Linux's range of ephemeral ports.
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// Above the usual service ports, below the ephemeral range of most systems.
const DEFAULT_RANGE: RangeInclusive<u16> = 10_000..=32_767;
/// In a smaller range, concurrent processes would often choose the same ports.
const RANGE_MIN: u16 = 2_000;
const TRIES_MAX: u32 = 1_000;

/// `count` distinct ports on 127.0.0.1 that are free at the moment.
pub fn free(count: usize) -> Result<Vec<u16>, String> {
    let range = non_ephemeral(std::fs::read_to_string(EPHEMERAL).ok().as_deref());
    let mut held = Vec::with_capacity(count);
    let mut ports = Vec::with_capacity(count);
    for _ in 0..TRIES_MAX {
        if ports.len() == count {
            return Ok(ports);
        }
        let width = u64::from(range.end() - range.start()) + 1;
        let port = range.start() + (random::number() % width) as u16;
        // Held until all are found, so that none is chosen twice.
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push(listener);
            ports.push(port);
        }
    }
    Err(format!(
        "found fewer than {count} free ports on 127.0.0.1 in {TRIES_MAX} tries from {} to {}; stop some servers",
        range.start(),
        range.end()
    ))
}

/// Whether this port of 127.0.0.1 is free.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A range outside the ephemeral one, given as in `EPHEMERAL` ("32768 60999").
fn non_ephemeral(ephemeral: Option<&str>) -> RangeInclusive<u16> {
    let mut words = ephemeral.unwrap_or_default().split_whitespace().map(str::parse::<u16>);
    let (Some(Ok(low)), Some(Ok(high))) = (words.next(), words.next()) else {
        return DEFAULT_RANGE;
    };
    let below = *DEFAULT_RANGE.start()..=low.saturating_sub(1).min(*DEFAULT_RANGE.end());
    let above = high.saturating_add(1)..=u16::MAX;
    [below, above]
        .into_iter()
        .find(|range| range.end().saturating_sub(*range.start()) >= RANGE_MIN)
        // All ports are ephemeral: a port may be taken, and then the start is retried.
        .unwrap_or(DEFAULT_RANGE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{DEFAULT_RANGE, free, non_ephemeral};

    #[test]
    fn ephemeral_ports_are_avoided() {
        let check = |text, wanted| assert_eq!(non_ephemeral(text), wanted, "{text:?}");
        check(Some("32768\t60999\n"), 10_000..=32_767);
        check(Some("20000 60999"), 10_000..=19_999);
        check(Some("10500 60000"), 60_001..=65_535);
        check(Some("1024 65535"), DEFAULT_RANGE);
        check(Some("nonsense"), DEFAULT_RANGE);
        check(None, DEFAULT_RANGE);
    }

    #[test]
    fn free_ports_are_distinct_and_bindable() {
        let ports = free(20).unwrap();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 20);
    }
}
