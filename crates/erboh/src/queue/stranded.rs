//! Stranded: a client of librdkafka that knows no broker any more, and never will again.
//!
//! ```text
//!   a broker stands still ─► wakes up, and for a moment the cluster has no brokers, says it
//!       └► librdkafka forgets every broker ─► begins again at the bootstrap addresses
//!                                             ▲ cancelled by any other answer still under way
//! ```
//!
//! Nothing brings such a client back, so whoever has one starts another. It shows in the client's
//! statistics: every broker there came out of metadata or out of the settings, and none is left.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::limits::STRANDED_AFTER;

/// What the source of a broker is called in statistics. The client's own are called otherwise.
const SOURCES: [&[u8]; 2] = [br#""source":"learned""#, br#""source":"configured""#];

/// Why a stranded client is replaced.
pub(super) const REASON: &str = "the client has lost sight of every broker";

/// Since when a client has known no broker.
#[derive(Default)]
pub(super) struct Stranded(Mutex<Option<Instant>>);

impl Stranded {
    /// Notes what the statistics of the client say.
    pub(super) fn note(&self, statistics: &[u8], now: Instant) {
        let has = |source: &[u8]| statistics.windows(source.len()).any(|part| part == source);
        let known = SOURCES.into_iter().any(has);
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *since = if known { None } else { Some(since.unwrap_or(now)) };
    }

    /// Whether that has lasted so long that the client must be replaced.
    pub(super) fn is_certain(&self, now: Instant) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| now.duration_since(since) >= STRANDED_AFTER)
    }

    /// Begins anew, with a new client.
    pub(super) fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &[u8] = br#"{"brokers":{":0/internal":{"source":"internal","state":"INIT"}}}"#;
    const ONE: &[u8] = br#"{"brokers":{"a:1/1":{"source":"learned","state":"DOWN"}}}"#;

    #[test]
    fn a_client_is_stranded_when_it_has_known_no_broker_for_a_while() {
        let stranded = Stranded::default();
        let start = Instant::now();
        stranded.note(ONE, start);
        assert!(!stranded.is_certain(start + STRANDED_AFTER));
        stranded.note(NONE, start);
        assert!(!stranded.is_certain(start), "it may be about to begin again");
        stranded.note(NONE, start + STRANDED_AFTER);
        assert!(stranded.is_certain(start + STRANDED_AFTER));
        stranded.note(ONE, start + STRANDED_AFTER);
        assert!(!stranded.is_certain(start + 2 * STRANDED_AFTER));
    }
}
