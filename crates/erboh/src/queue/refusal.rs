//! Refusal: why brokers do not take us, or we do not take them, and the setting that mends it.
//!
//! ```text
//!   librdkafka: "all brokers down" ─► Explainer ─► probe ─► Refusal ─► health, /readyz, 503, smoke, audit
//!                                                    doctor ────┘
//! ```
//!
//! This is the only place that puts these causes into words.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::limits;
use super::probe::{self, Probe, Spoken};
use super::settings::KafkaSettings;

/// What is wrong between a client and a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was found.
    pub cause: String,
    /// Why that keeps us apart.
    pub why: &'static str,
    /// The setting that mends it.
    pub cure: String,
}

impl Refusal {
    fn new(cause: impl Into<String>, why: &'static str, cure: impl Into<String>) -> Self {
        Self { cause: cause.into(), why, cure: cure.into() }
    }

    /// What a probe says to a client that speaks `protocol` (`security.protocol`) and logs in by
    /// `mechanism`; nothing if they understand each other.
    #[must_use]
    pub fn of(probe: &Probe, protocol: &str, mechanism: &str) -> Option<Self> {
        let we_use_tls = protocol.ends_with("ssl");
        Some(match probe {
            Probe::Unresolved(reason) => Self::new(
                format!("cannot be resolved: {reason}"),
                "this machine does not know the name. Names such as *.svc exist only inside of the \
                 Kubernetes cluster",
                "run this inside of the cluster, or give the brokers a listener whose advertised \
                 address is known here (a nodeport or loadbalancer listener)",
            ),
            Probe::Unreachable(reason) => Self::new(
                format!("cannot be reached: {reason}"),
                "nobody accepts connections there, as seen from here",
                "look whether the broker runs, whether host and port are right, and whether a \
                 firewall stands in between",
            ),
            Probe::Stranger(said) => Self::new(
                format!("answers \"{said}\""),
                "that is not the Kafka protocol",
                "look whether the port is right; Kafka's usual one is 9092",
            ),
            Probe::Silent => Self::new(
                "accepts connections and does not answer",
                "a broker answers at once; this is not one, or a proxy whose broker is gone, or one \
                 that hangs",
                "look whether the port is right (a KRaft controller's port takes no clients) and at \
                 the broker's log",
            ),
            Probe::Tls if we_use_tls => return None,
            Probe::Tls => Self::new(
                format!("speaks TLS, we speak {protocol}"),
                "a client without TLS is disconnected without a word",
                "use TLS, with --kafka-ca-file PATH for a CA of its own or --kafka-tls for one that \
                 the system trusts; or the port of a listener without TLS",
            ),
            Probe::Untrusted(cause) => untrusted(cause),
            Probe::Refused(cause) => refused(cause),
            Probe::Denied(said) => Self::new(
                format!("refuses the login: {said}"),
                "the brokers know no such user, or not with this password; they do not say which",
                "look at --kafka-username and at the content of --kafka-password-file, and whether \
                 that user has a password for this --kafka-sasl-mechanism",
            ),
            Probe::Kafka(spoken) if we_use_tls && !spoken.tls => Self::new(
                format!("speaks without TLS, we speak {protocol}"),
                "a TLS greeting means nothing to a plain listener",
                "use the port of a TLS listener, or leave --kafka-tls, --kafka-ca-file and \
                 --kafka-cert-file away",
            ),
            Probe::Kafka(spoken) => return login(spoken, protocol, mechanism),
        })
    }

    /// Whether waiting does not mend it: a person must change a setting.
    fn is_lasting(probe: &Probe) -> bool {
        !matches!(probe, Probe::Unresolved(_) | Probe::Unreachable(_) | Probe::Silent)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.cause, self.cure)
    }
}

fn untrusted(cause: &str) -> Refusal {
    let cure = if cause.contains("expired") || cause.contains("not valid before") {
        "renew the broker's certificate and let the broker load it; if it is of today, look at this \
         machine's clock"
    } else if cause.contains("and not for") {
        "use a name that stands in the certificate, in --brokers and in the brokers' advertised \
         addresses, or issue the certificate for this one too"
    } else if cause.contains("this system trusts") {
        "give the authority that has signed it with --kafka-ca-file PATH (with Strimzi ca.crt of the \
         secret CLUSTER-cluster-ca-cert); for a public one install the package ca-certificates"
    } else {
        "give the authority that has signed it with --kafka-ca-file PATH (with Strimzi ca.crt of the \
         secret CLUSTER-cluster-ca-cert, not that of a user's secret)"
    };
    let why = "a client tells its ratings only to a broker whose certificate it can verify";
    Refusal::new(cause, why, cure)
}

fn refused(cause: &str) -> Refusal {
    let cure = if cause.contains("we show none") {
        "give one with --kafka-cert-file PATH and --kafka-key-file PATH (with Strimzi user.crt and \
         user.key of the user's secret)"
    } else if cause.contains("expired") {
        "renew it, give the new one with --kafka-cert-file and --kafka-key-file, and restart: files \
         are read at the start"
    } else if cause.contains("client certificate") {
        "give one with --kafka-cert-file and --kafka-key-file that an authority of the brokers has \
         signed (with Strimzi the clients' CA); the broker's log says what it has against this one"
    } else {
        "look at the broker's log: it says what it has against the connection"
    };
    let why = "a broker may demand that its clients prove who they are by a certificate (mTLS)";
    Refusal::new(cause, why, cure)
}

/// What is wrong about saying who we are.
fn login(spoken: &Spoken, protocol: &str, mechanism: &str) -> Option<Refusal> {
    let we_do = protocol.starts_with("sasl");
    let Some(offered) = &spoken.sasl else {
        return we_do.then(|| {
            Refusal::new(
                format!("wants no SASL, we speak {protocol}"),
                "the listener does not know what a password is for, and disconnects",
                "use the port of a listener with SASL, or leave --kafka-username and \
                 --kafka-password-file away",
            )
        });
    };
    let (list, best) = (offered.join(", "), best(offered));
    if !we_do {
        return Some(Refusal::new(
            format!("wants SASL ({list}), we speak {protocol}"),
            "the listener disconnects everybody who does not say who they are",
            format!(
                "log in with --kafka-username NAME --kafka-password-file PATH \
                 --kafka-sasl-mechanism {best}"
            ),
        ));
    }
    (!offered.iter().any(|offered| offered == mechanism)).then(|| {
        Refusal::new(
            format!("offers SASL by {list}, we use {mechanism}"),
            "the listener refuses a mechanism that it does not offer",
            format!("--kafka-sasl-mechanism {best}"),
        )
    })
}

/// The best of the mechanisms that are offered, as its flag names it.
fn best(offered: &[String]) -> String {
    let known = ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"];
    let best = known.iter().find(|known| offered.iter().any(|offered| offered == *known));
    best.unwrap_or(&known[0]).to_ascii_lowercase()
}

/// A reason for people, and whether only a person can mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Explained {
    pub(super) text: String,
    pub(super) is_lasting: bool,
}

/// Finds out why a cluster is not reachable where librdkafka does not say. Clones share what was
/// found.
#[derive(Clone)]
pub(super) struct Explainer {
    settings: Arc<KafkaSettings>,
    known: Arc<Mutex<BTreeMap<String, Known>>>,
}

/// What was found out about an address.
struct Known {
    since: Instant,
    /// Nothing while it is being looked at for the first time, or when nothing is wrong.
    refusal: Option<Explained>,
}

impl Explainer {
    pub(super) fn new(settings: &KafkaSettings) -> Self {
        Self { settings: Arc::new(settings.clone()), known: Arc::default() }
    }

    /// The settings of the client that is explained.
    pub(super) fn settings(&self) -> &KafkaSettings {
        &self.settings
    }

    /// Forgets what was found: the brokers are reachable again.
    pub(super) fn forget(&self) {
        self.known().clear();
    }

    /// Why brokers are not reachable of which librdkafka says `reason`, which may be nothing. Takes
    /// [`limits::EXPLAIN_WAIT`] at most, so that it may be asked where librdkafka calls back; what
    /// comes later is told to whoever asks again.
    pub(super) fn explain(&self, reason: &str) -> Explained {
        let plain = Explained { text: reason.to_owned(), is_lasting: false };
        // These say it all.
        if ["Connect to ", "Failed to resolve"].iter().any(|clear| reason.contains(clear)) {
            return plain;
        }
        let address = named_address(reason);
        let (place, addresses) = match address {
            Some(address) => (format!("{}:{}", address.0, address.1), vec![address]),
            None => (self.settings.brokers.clone(), self.settings.addresses()),
        };
        let fresh = |known: &Known| known.since.elapsed() < limits::EXPLANATION_FRESH;
        if !self.known().get(&place).is_some_and(fresh) {
            self.look(&place, addresses);
        }
        self.known().get(&place).and_then(|known| known.refusal.clone()).unwrap_or(plain)
    }

    /// Probes these addresses in a thread of its own, and waits a moment for it.
    fn look(&self, place: &str, addresses: Vec<(String, u16)>) {
        let before = self.known().remove(place).and_then(|known| known.refusal);
        let is_new = before.is_none();
        let looking = Known { since: Instant::now(), refusal: before };
        self.known().insert(place.to_owned(), looking);
        let (done, found) = sync_channel::<()>(1);
        let (this, place) = (self.clone(), place.to_owned());
        let look = move || {
            let refusal = this.probe(&addresses);
            if let Some(known) = this.known().get_mut(&place) {
                *known = Known { since: Instant::now(), refusal };
            }
            let _ = done.send(());
        };
        // What was wrong a moment ago usually still is, so that nobody need wait to hear it again.
        if std::thread::Builder::new().name("explain".into()).spawn(look).is_ok() && is_new {
            let _ = found.recv_timeout(limits::EXPLAIN_WAIT);
        }
    }

    /// What is wrong with all of these addresses, said of the first; one that is good does not
    /// explain anything.
    fn probe(&self, addresses: &[(String, u16)]) -> Option<Explained> {
        let protocol = self.settings.security_protocol();
        let mechanism = self.settings.mechanism();
        let probes = probe::all(addresses, &self.settings);
        let refusals: Option<Vec<Refusal>> =
            probes.iter().map(|probe| Refusal::of(probe, &protocol, &mechanism)).collect();
        let refusal = refusals?.into_iter().next()?;
        let ((host, port), probe) = (addresses.first()?, probes.first()?);
        let text = format!("{host}:{port} {refusal}");
        Some(Explained { text, is_lasting: Refusal::is_lasting(probe) })
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address in `protocol://host:port/id: what happened`, which is how librdkafka begins.
fn named_address(reason: &str) -> Option<(String, u16)> {
    let (_, rest) = reason.split_once("://")?;
    let (host, rest) = rest.split_once('/')?.0.rsplit_once(':')?;
    Some((host.trim_matches(['[', ']']).to_owned(), rest.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_its_broker() {
        let check = |reason: &str, expected: Option<(&str, u16)>| {
            let found = named_address(reason);
            assert_eq!(found.as_ref().map(|(host, port)| (host.as_str(), *port)), expected);
        };
        check("sasl_ssl://kafka:9093/bootstrap: SSL handshake failed", Some(("kafka", 9093)));
        check("ssl://[::1]:9093/2: Receive failed", Some(("::1", 9093)));
        check("127.0.0.1:1/1: Connect to ipv4#127.0.0.1:1 failed", None);
        check("All broker connections are down", None);
    }

    #[test]
    fn what_librdkafka_says_is_kept_where_it_says_it_all() {
        let explainer = Explainer::new(&KafkaSettings::new("127.0.0.1:1"));
        let clear = "127.0.0.1:1/1: Connect to ipv4#127.0.0.1:1 failed: Connection refused";
        let said = explainer.explain(clear);
        assert_eq!(said, Explained { text: clear.to_owned(), is_lasting: false });
    }

    #[test]
    fn a_vague_reason_is_looked_into() {
        // A listener that greets with something else than Kafka.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let greeter = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            std::io::Write::write_all(&mut client, b"220 mail.example ESMTP, no Kafka at all\r\n")
        });
        let explainer = Explainer::new(&KafkaSettings::new(&*address));
        let said = explainer.explain("All broker connections are down");
        greeter.join().unwrap().unwrap();
        assert!(said.text.starts_with(&format!("{address} answers \"220 mail")), "{said:?}");
        assert!(said.is_lasting);
        explainer.forget();
        // Nobody listens any more, which may change by itself.
        let said = explainer.explain("All broker connections are down");
        assert!(said.text.contains("cannot be reached"), "{said:?}");
        assert!(!said.is_lasting);
    }
}
