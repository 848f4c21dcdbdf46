//! The guard's numbers: who was refused, and whether the token file can be used.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::credentials::Refusal;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Numbers of one guard. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    unauthorized: Family<Reason, Counter>,
    tokens: Gauge,
    faulty: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            unauthorized: Family::default(),
            tokens: Gauge::default(),
            faulty: Gauge::default(),
        };
        // A series that is there from the start shows "0", and a rate of it is right at once.
        for refusal in [Refusal::Missing, Refusal::Malformed, Refusal::Unknown] {
            drop(metrics.unauthorized.get_or_create(&refusal.into()));
        }
        metrics
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        Self { reason: refusal.reason() }
    }
}

impl Metrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "unauthorized",
            "Requests that were refused for want of a token, by reason",
            self.unauthorized.clone(),
        );
        registry.register(
            "tokens",
            "Tokens that may write; 0 where no token is asked for",
            self.tokens.clone(),
        );
        registry.register(
            "token_file_faulty",
            "1 while the token file cannot be used and the tokens read before it go on",
            self.faulty.clone(),
        );
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        self.unauthorized.get_or_create(&refusal.into()).inc();
    }

    /// The file was read: so many tokens are in force.
    pub(super) fn taken(&self, tokens: usize) {
        self.tokens.set(tokens as i64);
        self.faulty.set(0);
    }

    pub(super) fn faulty(&self) {
        self.faulty.set(1);
    }
}
