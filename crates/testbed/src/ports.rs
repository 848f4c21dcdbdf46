//! Ports that servers can be told to listen on before they run.
//!
//! Port 0 would be safer, but the brokers of a cluster must know each other's ports before the
//! first of them starts, and a restarted broker must come back where it was. So ports are chosen
//! outside of the range from which the system serves outgoing connections: one of those would
//! otherwise sit on the port of a broker that is down just now.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

use crate::random;

/// Where Linux says which ports it gives to outgoing connections.
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// Above what other programs like to have; below what most systems give away.
const USUAL: RangeInclusive<u16> = 10_000..=32_767;
/// A smaller range would make the programs that run at a time choose the same ports.
const RANGE_MIN: u16 = 2_000;
const TRIES_MAX: u32 = 1_000;

/// `count` different ports on 127.0.0.1 on which nobody listens at the moment.
pub fn free(count: usize) -> Result<Vec<u16>, String> {
    let range = outside(std::fs::read_to_string(EPHEMERAL).ok().as_deref());
    let mut held = Vec::with_capacity(count);
    let mut ports = Vec::with_capacity(count);
    for _ in 0..TRIES_MAX {
        if ports.len() == count {
            return Ok(ports);
        }
        let width = u64::from(range.end() - range.start()) + 1;
        let port = range.start() + (random::number() % width) as u16;
        // Held until all are found, so that none is found twice.
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push(listener);
            ports.push(port);
        }
    }
    Err(format!(
        "of {TRIES_MAX} ports from {} to {} on 127.0.0.1 fewer than {count} were free; end some servers",
        range.start(),
        range.end()
    ))
}

/// Whether nobody listens on that port of 127.0.0.1.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A range of ports beside the one in `ephemeral` ("32768 60999").
fn outside(ephemeral: Option<&str>) -> RangeInclusive<u16> {
    let mut words = ephemeral.unwrap_or_default().split_whitespace().map(str::parse::<u16>);
    let (Some(Ok(low)), Some(Ok(high))) = (words.next(), words.next()) else {
        return USUAL;
    };
    let below = *USUAL.start()..=low.saturating_sub(1).min(*USUAL.end());
    let above = high.saturating_add(1)..=u16::MAX;
    [below, above]
        .into_iter()
        .find(|range| range.end().saturating_sub(*range.start()) >= RANGE_MIN)
        // Everything is given away: then a port can be taken from us, and the start is repeated.
        .unwrap_or(USUAL)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{USUAL, free, outside};

    #[test]
    fn the_systems_own_ports_are_left_alone() {
        let check = |text, wanted| assert_eq!(outside(text), wanted, "{text:?}");
        check(Some("32768\t60999\n"), 10_000..=32_767);
        check(Some("20000 60999"), 10_000..=19_999);
        check(Some("10500 60000"), 60_001..=65_535);
        check(Some("1024 65535"), USUAL);
        check(Some("nonsense"), USUAL);
        check(None, USUAL);
    }

    #[test]
    fn free_ports_are_different_and_can_be_bound() {
        let ports = free(20).unwrap();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 20);
    }
}
