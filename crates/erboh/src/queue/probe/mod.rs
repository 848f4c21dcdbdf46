//! Probe: what listens at an address, told from the first bytes that it answers.
//!
//! ```text
//!   resolve ─► connect ─► TLS, if we do that ─► ApiVersions ─► a frame with our number ─► Kafka: ask on
//!                  │                                │            SaslHandshake ─► does it want SASL?
//!                  │                                │            login, if we do that ─► are we let in?
//!                  │                                │            Metadata ─► of which cluster is it?
//!                  ├─► a certificate that we do     ├─► 15 03 …  a TLS alert ──────► Tls, Refused
//!                  │   not trust ──► Untrusted      ├─► other bytes ───────────────► Stranger
//!                  └─► no TLS ─► greet without      └─► nothing ─► ClientHello ─► 15|16 03 … ─► Tls, else Silent
//! ```
//!
//! librdkafka says "disconnected" to most of this, and nothing at all through some of its clients.
//! These few requests have no length that is trusted, and nothing is sent that a listener could
//! mistake for work.

mod login;
mod tls;
mod wire;

use std::collections::BTreeMap;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use self::login::Login;
use self::tls::{Failure, Tls};
use self::wire::{Stream, TOPIC_AUTHORIZATION_FAILED, Wrong, ask, first_bytes, is_tls};
use super::limits::{PROBE_CONNECT_MS, PROBE_READ_MS, PROBES};
use super::settings::KafkaSettings;

/// What listens at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A Kafka broker that reads what we send.
    Kafka(Spoken),
    /// The name has no address here.
    Unresolved(String),
    /// Nobody accepts the connection.
    Unreachable(String),
    /// It speaks TLS, and we did not.
    Tls,
    /// It speaks TLS, and we do not trust its certificate: why not.
    Untrusted(String),
    /// It speaks TLS, and does not take us: why not.
    Refused(String),
    /// It does not let us in with our user name and password: what it says.
    Denied(String),
    /// It speaks something else; the beginning of what it said.
    Stranger(String),
    /// It accepts connections and never answers.
    Silent,
}

/// What a broker told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spoken {
    /// Whether it was told through TLS.
    pub tls: bool,
    /// The APIs that it serves, with the first and the last version.
    pub apis: BTreeMap<i16, (i16, i16)>,
    /// The SASL mechanisms it offers, if it wants its clients to say who they are.
    pub sasl: Option<Vec<String>>,
    /// The cluster it belongs to, where it tells us.
    pub cluster: Option<String>,
}

impl Spoken {
    /// The last version of an API that it serves, -1 if it does not serve it.
    #[must_use]
    pub fn last_version(&self, api: i16) -> i16 {
        self.apis.get(&api).map_or(-1, |(_, last)| *last)
    }
}

/// The numbers of the APIs that are looked at.
pub mod api {
    /// Fetch; from version 13 on it names topics by id.
    pub const FETCH: i16 = 1;
    /// Metadata; from version 10 on it tells topic ids.
    pub const METADATA: i16 = 3;
    /// `SaslHandshake`.
    pub const SASL_HANDSHAKE: i16 = 17;
    /// `ApiVersions`.
    pub const API_VERSIONS: i16 = 18;
    /// `InitProducerId`: what an idempotent producer begins with.
    pub const INIT_PRODUCER_ID: i16 = 22;
    /// `SaslAuthenticate`.
    pub const SASL_AUTHENTICATE: i16 = 36;
}

/// How we make ourselves known: what librdkafka is told, as far as a probe can do the same.
#[derive(Clone, Default)]
struct Manner {
    tls: Option<Tls>,
    login: Option<Login>,
    /// librdkafka is told more about TLS than a probe understands.
    beyond_us: bool,
}

/// Properties of librdkafka by which it trusts or shows other certificates than a probe would.
const BEYOND_US: [&str; 7] = [
    "ssl.ca.pem",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.engine.location",
    "ssl.keystore.location",
    "ssl.providers",
];

impl Manner {
    fn of(settings: &KafkaSettings) -> Self {
        let protocol = settings.security_protocol();
        let property = |name: &str| settings.property(name);
        let off = |name: &str, value: &str| property(name) == Some(value);
        let tls = protocol.ends_with("ssl").then(|| {
            let certificate = property("ssl.certificate.location");
            let password = property("ssl.key.password").map(str::to_owned);
            let key = property("ssl.key.location");
            Tls {
                ca: property("ssl.ca.location").filter(|ca| *ca != "probe").map(Into::into),
                identity: certificate.zip(key).map(|(c, k)| (c.into(), k.into(), password)),
                verify: (
                    !off("enable.ssl.certificate.verification", "false"),
                    !off("ssl.endpoint.identification.algorithm", "none"),
                ),
            }
        });
        let user = property("sasl.username").zip(property("sasl.password"));
        let login = protocol.starts_with("sasl").then_some(()).and(user);
        let login = login.map(|(username, password)| Login {
            mechanism: settings.mechanism(),
            username: username.to_owned(),
            password: password.to_owned(),
        });
        let beyond_us = tls.is_some() && BEYOND_US.iter().any(|name| property(name).is_some());
        Self { tls, login, beyond_us }
    }
}

/// Probes several addresses, a few at a time, and gives the answers in their order. Blocks.
#[must_use]
pub fn all(addresses: &[(String, u16)], settings: &KafkaSettings) -> Vec<Probe> {
    let manner = &Manner::of(settings);
    let mut probes = Vec::with_capacity(addresses.len());
    for some in addresses.chunks(PROBES) {
        std::thread::scope(|scope| {
            let one = |(host, port): &(String, u16)| manner.probe(host, *port);
            let threads: Vec<_> =
                some.iter().map(|address| scope.spawn(move || one(address))).collect();
            // A probe has nothing to panic about; one that did would have found nobody.
            probes.extend(threads.into_iter().map(|t| t.join().unwrap_or(Probe::Silent)));
        });
    }
    probes
}

/// Whether a topic exists but must not be seen by us. `None` if nobody tells. Blocks.
pub(super) fn is_hidden(settings: &KafkaSettings, topic: &str) -> Option<bool> {
    let manner = Manner::of(settings);
    let ask_one = |(host, port): (String, u16)| {
        let mut connection = manner.open(&host, port).ok()?;
        if let Some(login) = &manner.login {
            login.prove(&mut *connection).ok()?;
        }
        // One topic by its name, and no permission to create it.
        let length = (topic.len() as i16).to_be_bytes();
        let body = [&[0, 0, 0, 1][..], &length, topic.as_bytes(), &[0]].concat();
        let answer = ask(&mut *connection, api::METADATA, 4, &body).ok()?;
        Some(wire::topic_error(&answer)? == TOPIC_AUTHORIZATION_FAILED)
    };
    settings.addresses().into_iter().find_map(ask_one)
}

type Connection = Box<dyn Stream>;

impl Manner {
    fn probe(&self, host: &str, port: u16) -> Probe {
        let mut connection = match self.open(host, port) {
            Ok(connection) => connection,
            Err(probe) => return probe,
        };
        let answer = match ask(&mut *connection, api::API_VERSIONS, 0, &[]) {
            Ok(answer) => answer,
            Err(wrong) => return self.no_kafka(wrong, host, port),
        };
        let mut spoken = Spoken {
            tls: self.tls.is_some(),
            apis: wire::apis(&answer).unwrap_or_default(),
            ..Spoken::default()
        };
        if spoken.last_version(api::SASL_HANDSHAKE) >= 0 {
            // An empty mechanism is one that nobody has, so this begins no authentication.
            if let Ok(answer) = ask(&mut *connection, api::SASL_HANDSHAKE, 0, &[0, 0]) {
                spoken.sasl = wire::mechanisms(&answer);
            }
        }
        if let (Some(offered), Some(login)) = (&spoken.sasl, &self.login)
            && login.is_known()
            && offered.contains(&login.mechanism)
        {
            // That mechanism was refused, so the login needs a connection of its own.
            match self.open(host, port).map(|mut again| (login.prove(&mut *again), again)) {
                Ok((Ok(()), again)) => connection = again,
                Ok((Err(Some(reason)), _)) => return Probe::Denied(reason),
                Ok((Err(None), _)) | Err(_) => return Probe::Kafka(spoken),
            }
        } else if spoken.sasl.is_some() {
            return Probe::Kafka(spoken);
        }
        let (first, last) = spoken.apis.get(&api::METADATA).copied().unwrap_or((0, -1));
        if first <= 4 && last >= 4 {
            // An empty list of topics, and no permission to create one.
            if let Ok(answer) = ask(&mut *connection, api::METADATA, 4, &[0, 0, 0, 0, 0]) {
                spoken.cluster = wire::cluster(&answer);
            }
        }
        Probe::Kafka(spoken)
    }

    /// A connection as we make it, up to where Kafka's own protocol begins.
    fn open(&self, host: &str, port: u16) -> Result<Connection, Probe> {
        let tcp = connect(host, port)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(tcp)) };
        if self.beyond_us {
            return Err(if answers_tls(host, port) { Probe::Tls } else { Probe::Silent });
        }
        match tls.greet(host, tcp) {
            Ok(stream) => Ok(Box::new(stream)),
            Err(Failure::Untrusted(why)) => Err(Probe::Untrusted(why)),
            Err(Failure::Refused(why)) => Err(Probe::Refused(why)),
            // Perhaps it speaks Kafka without TLS; otherwise it says what it is.
            Err(Failure::NoTls) => Err(match Self::default().probe(host, port) {
                // It speaks TLS after all, but none that both know.
                Probe::Tls => Probe::Refused("agrees to no TLS version or cipher of ours".into()),
                other => other,
            }),
            Err(Failure::Unusable) => Err(Probe::Tls),
        }
    }

    /// What it is that does not answer as Kafka does.
    fn no_kafka(&self, wrong: Wrong, host: &str, port: u16) -> Probe {
        match (wrong, &self.tls) {
            (Wrong::Tls, _) => Probe::Tls,
            (Wrong::Stranger(text), _) => Probe::Stranger(text),
            (Wrong::Silent(end), Some(tls)) => {
                tls.refusal(&end).map_or(Probe::Silent, Probe::Refused)
            }
            (Wrong::Silent(_), None) if answers_tls(host, port) => Probe::Tls,
            (Wrong::Silent(_), None) => Probe::Silent,
        }
    }
}

fn connect(host: &str, port: u16) -> Result<TcpStream, Probe> {
    let addresses = (host, port)
        .to_socket_addrs()
        .map_err(|error| Probe::Unresolved(error.to_string()))?
        .collect::<Vec<_>>();
    let mut reason = "the name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, Duration::from_millis(PROBE_CONNECT_MS)) {
            Ok(stream) => {
                let wait = Some(Duration::from_millis(PROBE_READ_MS));
                // Both refuse a zero only.
                let _ = stream.set_read_timeout(wait).and(stream.set_write_timeout(wait));
                return Ok(stream);
            }
            Err(error) => reason = format!("{address}: {error}"),
        }
    }
    Err(Probe::Unreachable(reason))
}

/// Whether a TLS greeting is answered in TLS, be it by an alert.
fn answers_tls(host: &str, port: u16) -> bool {
    let Ok(mut stream) = connect(host, port) else { return false };
    // Version 1.2, zeros for the random bytes, two cipher suites, no compression, no extensions.
    let mut hello = vec![0x16, 3, 1, 0, 47, 1, 0, 0, 43, 3, 3];
    hello.extend([0; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x2f, 0x00, 0x9c, 1, 0]);
    std::io::Write::write_all(&mut stream, &hello).is_ok() && is_tls(&first_bytes(&mut stream, 3).0)
}
