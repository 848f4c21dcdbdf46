//! Wire: the few requests of the Kafka protocol that a probe sends, and their answers.
//!
//! ```text
//!   request   size i32 │ api i16 │ version i16 │ our number i32 │ client string │ body
//!   answer    size i32 │ our number i32 │ body
//! ```
//!
//! No length that comes from the other side is trusted.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};

use crate::queue::limits::PROBE_ANSWER_BYTES;

/// The error of a listener without SASL to a SASL handshake.
const ILLEGAL_SASL_STATE: i16 = 34;

/// The error of a topic that the user may not see.
pub(super) const TOPIC_AUTHORIZATION_FAILED: i16 = 29;

/// A connection, with TLS around it or without.
pub(super) trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// Why an answer is none.
#[derive(Debug)]
pub(super) enum Wrong {
    Tls,
    Stranger(String),
    /// Nothing came, and what the connection said about that.
    Silent(String),
}

/// Sends one request with our number in it and gives the answer behind that number.
pub(super) fn ask(
    stream: &mut dyn Stream,
    api: i16,
    version: i16,
    body: &[u8],
) -> Result<Vec<u8>, Wrong> {
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
    if let Err(error) = stream.write_all(&request) {
        return Err(Wrong::Silent(error.to_string()));
    }
    let (head, end) = first_bytes(stream, 4);
    let Ok(length) = <[u8; 4]>::try_from(head.as_slice()) else {
        return Err(if head.is_empty() { Wrong::Silent(end) } else { stranger(&head, stream) });
    };
    let length = u32::from_be_bytes(length);
    if is_tls(&head) {
        return Err(Wrong::Tls);
    }
    if !(4..=PROBE_ANSWER_BYTES).contains(&length) {
        return Err(stranger(&head, stream));
    }
    let (answer, _) = first_bytes(stream, u64::from(length));
    match answer.strip_prefix(&NUMBER.to_be_bytes()) {
        Some(rest) => Ok(rest.to_vec()),
        None => Err(stranger(&[head, answer].concat(), stream)),
    }
}

/// At most so many bytes, and fewer if no more come: then also why not.
pub(super) fn first_bytes(stream: &mut dyn Stream, most: u64) -> (Vec<u8>, String) {
    let (mut bytes, mut end) = (Vec::new(), String::new());
    while (bytes.len() as u64) < most {
        let mut some = [0; 4096];
        let room = (most - bytes.len() as u64).min(4096) as usize;
        match stream.read(&mut some[..room]) {
            Ok(0) => break,
            Ok(count) => bytes.extend(&some[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                end = error.to_string();
                break;
            }
        }
    }
    (bytes, end)
}

/// Something that is not Kafka, with enough of what it says to recognise it.
fn stranger(said: &[u8], stream: &mut dyn Stream) -> Wrong {
    let (more, _) = first_bytes(stream, 32_u64.saturating_sub(said.len() as u64));
    let said = [said, &more].concat();
    let line = said.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    Wrong::Stranger(line[..line.len().min(32)].escape_ascii().to_string())
}

/// A TLS record that is an alert or a handshake.
pub(super) fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 0x03, ..])
}

/// A cursor over an answer; `None` where it is too short.
pub(super) struct Answer<'a>(pub(super) &'a [u8]);

impl<'a> Answer<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A length of four bytes, and as many bytes.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.i32()?).ok()?;
        self.take(length)
    }

    /// What an answer to `Metadata` begins with: throttle time and brokers.
    fn skip_brokers(&mut self) -> Option<()> {
        let _throttle = self.i32()?;
        for _ in 0..self.i32()? {
            let (_id, _host, _port) = (self.i32()?, self.string()?, self.i32()?);
            let rack = self.i16()?;
            self.take(usize::try_from(rack).unwrap_or(0))?;
        }
        Some(())
    }

    /// `None` also for the null string.
    pub(super) fn string(&mut self) -> Option<String> {
        let length = usize::try_from(self.i16()?).ok()?;
        Some(String::from_utf8_lossy(self.take(length)?).into_owned())
    }
}

/// `ApiVersions` version 0: error, then (key, first, last) of each API.
pub(super) fn apis(answer: &[u8]) -> Option<BTreeMap<i16, (i16, i16)>> {
    let mut answer = Answer(answer);
    let _error = answer.i16()?;
    let count = answer.i32()?;
    (0..count).map(|_| Some((answer.i16()?, (answer.i16()?, answer.i16()?)))).collect()
}

/// `SaslHandshake` version 0: error, then the mechanisms that the listener offers.
pub(super) fn mechanisms(answer: &[u8]) -> Option<Vec<String>> {
    let mut answer = Answer(answer);
    if answer.i16()? == ILLEGAL_SASL_STATE {
        return None;
    }
    let count = answer.i32()?;
    (0..count).map(|_| answer.string()).collect()
}

/// `Metadata` version 4: throttle time, brokers (id, host, port, rack), then the cluster's id.
pub(super) fn cluster(answer: &[u8]) -> Option<String> {
    let mut answer = Answer(answer);
    answer.skip_brokers()?;
    answer.string()
}

/// The error of the one topic that stands in an answer to `Metadata` version 4, behind the brokers,
/// the cluster's id and its controller.
pub(super) fn topic_error(answer: &[u8]) -> Option<i16> {
    let mut answer = Answer(answer);
    answer.skip_brokers()?;
    let id = answer.i16()?;
    answer.take(usize::try_from(id).unwrap_or(0))?;
    let _controller = answer.i32()?;
    (answer.i32()? == 1).then(|| answer.i16())?
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
    fn a_topic_that_may_not_be_seen_is_told_from_one_that_is_not_there() {
        let about = |code: u8| {
            let broker = [&[0; 4][..], &[0, 0, 0, 0], &[0xff, 0xff], &[0, 0, 0, 0]];
            let topic = [&[0, 0, 0, 1][..], &[0, code], &[0, 1, b't', 0, 0, 0, 0, 0]];
            [broker.concat(), topic.concat()].concat()
        };
        assert_eq!(topic_error(&about(29)), Some(TOPIC_AUTHORIZATION_FAILED));
        assert_eq!(topic_error(&about(3)), Some(3));
        assert_eq!(topic_error(&about(3)[..19]), None);
    }

    #[test]
    fn a_listener_without_sasl_offers_none() {
        assert_eq!(mechanisms(&[0, 34, 0, 0, 0, 0]), None);
    }
}
