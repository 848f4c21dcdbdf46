//! Probe: what listens at an address, told from the first bytes that it answers.
//!
//! ```text
//!   resolve ─► connect ─► ApiVersions ─► a frame with our number ─► Kafka: ask on
//!                              │                     SaslHandshake ─► does it want SASL?
//!                              │                     Metadata      ─► of which cluster is it?
//!                              ├─► 15 03 …  a TLS alert ───────────────────► Tls
//!                              ├─► other bytes ────────────────────────────► Stranger
//!                              └─► nothing ─► connect ─► ClientHello ─► 15|16 03 … ─► Tls, else Silent
//! ```
//!
//! librdkafka says "disconnected" to all of this. These few requests of the Kafka protocol have no
//! length that is trusted, and nothing is sent that a listener could mistake for work.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::limits::{PROBE_ANSWER_BYTES, PROBE_CONNECT_MS, PROBE_READ_MS, PROBES};

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
    /// It speaks something else; the beginning of what it said.
    Stranger(String),
    /// It accepts connections and never answers.
    Silent,
}

/// What a broker told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spoken {
    /// The APIs that it serves, with the first and the last version.
    pub apis: BTreeMap<i16, (i16, i16)>,
    /// The SASL mechanisms it offers, if it wants its clients to say who they are.
    pub sasl: Option<Vec<String>>,
    /// The cluster it belongs to, where it tells strangers.
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
}

/// The error of a listener without SASL to a SASL handshake.
const ILLEGAL_SASL_STATE: i16 = 34;

/// Probes several addresses, a few at a time, and gives the answers in their order. Blocks.
#[must_use]
pub fn all(addresses: &[(String, u16)]) -> Vec<Probe> {
    let mut probes = Vec::with_capacity(addresses.len());
    for some in addresses.chunks(PROBES) {
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                some.iter().map(|(host, port)| scope.spawn(move || one(host, *port))).collect();
            // A probe has nothing to panic about; one that did would have found nobody.
            probes.extend(threads.into_iter().map(|t| t.join().unwrap_or(Probe::Silent)));
        });
    }
    probes
}

/// Probes one address. Blocks.
fn one(host: &str, port: u16) -> Probe {
    let mut stream = match connect(host, port) {
        Ok(stream) => stream,
        Err(probe) => return probe,
    };
    match ask(&mut stream, api::API_VERSIONS, 0, &[]) {
        Ok(answer) => Probe::Kafka(talk(&mut stream, &answer)),
        Err(Wrong::Tls) => Probe::Tls,
        Err(Wrong::Stranger(text)) => Probe::Stranger(text),
        Err(Wrong::Silent) if answers_tls(host, port) => Probe::Tls,
        Err(Wrong::Silent) => Probe::Silent,
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

/// What else a broker tells to somebody who has not said who they are.
fn talk(stream: &mut TcpStream, answer: &[u8]) -> Spoken {
    let mut spoken = Spoken { apis: apis(answer).unwrap_or_default(), ..Spoken::default() };
    if spoken.last_version(api::SASL_HANDSHAKE) >= 0 {
        // An empty mechanism is one that nobody has, so this begins no authentication.
        if let Ok(answer) = ask(stream, api::SASL_HANDSHAKE, 0, &[0, 0]) {
            spoken.sasl = mechanisms(&answer);
        }
    }
    let (first, last) = spoken.apis.get(&api::METADATA).copied().unwrap_or((0, -1));
    if spoken.sasl.is_none() && first <= 4 && last >= 4 {
        // An empty list of topics, and no permission to create one.
        if let Ok(answer) = ask(stream, api::METADATA, 4, &[0, 0, 0, 0, 0]) {
            spoken.cluster = cluster(&answer);
        }
    }
    spoken
}

/// Why an answer is none.
enum Wrong {
    Tls,
    Stranger(String),
    Silent,
}

/// Sends one request with our number in it and gives the answer behind that number.
fn ask(stream: &mut TcpStream, api: i16, version: i16, body: &[u8]) -> Result<Vec<u8>, Wrong> {
    const NUMBER: i32 = 0x6572_626f;
    let client = b"erboh-doctor";
    let mut request = Vec::with_capacity(64);
    request.extend((10 + client.len() as i32 + body.len() as i32).to_be_bytes());
    request.extend(api.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend(NUMBER.to_be_bytes());
    request.extend((client.len() as i16).to_be_bytes());
    request.extend(client);
    request.extend(body);
    if stream.write_all(&request).is_err() {
        return Err(Wrong::Silent);
    }
    let head = first_bytes(stream, 4);
    let Ok(length) = <[u8; 4]>::try_from(head.as_slice()) else {
        return Err(if head.is_empty() { Wrong::Silent } else { stranger(&head, stream) });
    };
    let length = u32::from_be_bytes(length);
    if is_tls(&head) {
        return Err(Wrong::Tls);
    }
    if !(4..=PROBE_ANSWER_BYTES).contains(&length) {
        return Err(stranger(&head, stream));
    }
    let answer = first_bytes(stream, u64::from(length));
    match answer.strip_prefix(&NUMBER.to_be_bytes()) {
        Some(rest) => Ok(rest.to_vec()),
        None => Err(stranger(&[head, answer].concat(), stream)),
    }
}

/// At most so many bytes, and fewer if no more come.
fn first_bytes(stream: &mut TcpStream, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < most {
        let mut some = [0; 4096];
        let room = (most - bytes.len() as u64).min(4096) as usize;
        match stream.read(&mut some[..room]) {
            Ok(0) => break,
            Ok(count) => bytes.extend(&some[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    bytes
}

/// Something that is not Kafka, with enough of what it says to recognise it.
fn stranger(said: &[u8], stream: &mut TcpStream) -> Wrong {
    let more = first_bytes(stream, 32_u64.saturating_sub(said.len() as u64));
    let said = [said, &more].concat();
    let line = said.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    Wrong::Stranger(line[..line.len().min(32)].escape_ascii().to_string())
}

/// A TLS record that is an alert or a handshake.
fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 0x03, ..])
}

/// Whether a TLS greeting is answered in TLS, be it by an alert.
fn answers_tls(host: &str, port: u16) -> bool {
    let Ok(mut stream) = connect(host, port) else { return false };
    // Version 1.2, zeros for the random bytes, two cipher suites, no compression, no extensions.
    let mut hello = vec![0x16, 3, 1, 0, 47, 1, 0, 0, 43, 3, 3];
    hello.extend([0; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x2f, 0x00, 0x9c, 1, 0]);
    stream.write_all(&hello).is_ok() && is_tls(&first_bytes(&mut stream, 3))
}

/// A cursor over an answer; `None` where it is too short.
struct Answer<'a>(&'a [u8]);

impl<'a> Answer<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// `None` also for the null string.
    fn string(&mut self) -> Option<String> {
        let length = usize::try_from(self.i16()?).ok()?;
        Some(String::from_utf8_lossy(self.take(length)?).into_owned())
    }
}

/// `ApiVersions` version 0: error, then (key, first, last) of each API.
fn apis(answer: &[u8]) -> Option<BTreeMap<i16, (i16, i16)>> {
    let mut answer = Answer(answer);
    let _error = answer.i16()?;
    let count = answer.i32()?;
    (0..count).map(|_| Some((answer.i16()?, (answer.i16()?, answer.i16()?)))).collect()
}

/// `SaslHandshake` version 0: error, then the mechanisms that the listener offers.
fn mechanisms(answer: &[u8]) -> Option<Vec<String>> {
    let mut answer = Answer(answer);
    if answer.i16()? == ILLEGAL_SASL_STATE {
        return None;
    }
    let count = answer.i32()?;
    (0..count).map(|_| answer.string()).collect()
}

/// `Metadata` version 4: throttle time, brokers (id, host, port, rack), then the cluster's id.
fn cluster(answer: &[u8]) -> Option<String> {
    let mut answer = Answer(answer);
    let _throttle = answer.i32()?;
    for _ in 0..answer.i32()? {
        let (_id, _host, _port) = (answer.i32()?, answer.string()?, answer.i32()?);
        let rack = answer.i16()?;
        answer.take(usize::try_from(rack).unwrap_or(0))?;
    }
    answer.string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every beginning of an answer is too short, and no length in it is trusted.
    fn check<T: PartialEq + std::fmt::Debug>(
        read: impl Fn(&[u8]) -> Option<T>,
        answer: &[u8],
        expected: &T,
    ) {
        assert_eq!(read(answer).as_ref(), Some(expected));
        for length in 0..answer.len() {
            assert_eq!(read(&answer[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn answers_are_read_to_their_ends() {
        let versions = [0, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 13, 0, 18, 0, 0, 0, 4];
        check(apis, &versions, &BTreeMap::from([(3, (0, 13)), (18, (0, 4))]));
        let offered = [0, 33, 0, 0, 0, 1, 0, 2, b'P', b'L'];
        check(mechanisms, &offered, &vec!["PL".to_owned()]);
        let one_broker = [
            &[0; 4][..],
            &[0, 0, 0, 1, 0, 0, 0, 7, 0, 1, b'h', 0, 0, 0, 9, 0xff, 0xff],
            &[0, 1, b'C'],
        ];
        check(cluster, &one_broker.concat(), &"C".to_owned());
        assert_eq!(apis(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), None);
    }

    #[test]
    fn a_listener_without_sasl_offers_none() {
        assert_eq!(mechanisms(&[0, 34, 0, 0, 0, 0]), None);
    }
}
