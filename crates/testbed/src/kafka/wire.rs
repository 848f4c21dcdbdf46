//! A minimal client of the Kafka protocol, with the few requests that this crate needs.
//!
//! ```text
//!  request   size i32 │ key i16 │ version i16 │ correlation id i32 │ client id string │ body
//!  response  size i32 │ correlation id i32 │ body
//! ```
//!
//! A full Kafka client would become a dependency of every user of this crate.

use std::io::{Error, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const METADATA: i16 = 3;
const CREATE_ACLS: i16 = 30;
const DESCRIBE_QUORUM: i16 = 55;
const CORRELATION: i32 = 7;
/// Resource types of ACLs.
pub(crate) const TOPIC: u8 = 2;
pub(crate) const GROUP: u8 = 3;
/// Responses of a cluster of nine brokers have a few kilobytes.
const RESPONSE_BYTES_MAX: usize = 1 << 20;
/// The kernel accepts connections for a stopped broker, which then does not respond.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The ids of the unfenced brokers, according to the broker at `port`.
pub(crate) fn brokers(port: u16) -> std::io::Result<Vec<u32>> {
    // Version 1: an empty topic array requests no topics.
    let response = request(port, METADATA, 1, &0_i32.to_be_bytes())?;
    let mut body = Body(&response);
    let count = body.number(4)?;
    (0..count)
        .map(|_| {
            let id = body.number(4)?;
            body.skip_string()?;
            body.number(4)?;
            // Rack.
            body.skip_string()?;
            Ok(id as u32)
        })
        .collect()
}

/// The id of the active controller, according to the broker at `port`.
pub(crate) fn active_controller(port: u16) -> std::io::Result<u32> {
    let topic = b"__cluster_metadata";
    // Version 0 is flexible: compact arrays (length + 1) and tagged fields (none: 0).
    let mut query = vec![0, 2, topic.len() as u8 + 1];
    query.extend_from_slice(topic);
    query.extend_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0]);
    let response = request(port, DESCRIBE_QUORUM, 0, &query)?;
    let mut body = Body(&response);
    // Tagged fields of the response header, then the error code.
    body.number(1)?;
    let error = body.number(2)?;
    // One topic with its name, one partition with its index, error code and leader.
    body.number(1)?;
    let name_length = body.number(1)?;
    body.take(usize::try_from(name_length - 1).map_err(|_| malformed())?)?;
    body.number(1)?;
    body.number(4)?;
    let partition_error = body.number(2)?;
    let leader = body.number(4)?;
    match (error, partition_error, u32::try_from(leader)) {
        (0, 0, Ok(leader)) => Ok(leader),
        _ => Err(Error::other("the controller quorum has no leader")),
    }
}

/// Creates an ACL that allows `user` an operation, by the codes of operation and resource type.
/// Clients of `port` must be super users.
pub(crate) fn create_acl(
    port: u16,
    user: &str,
    operation: u8,
    (kind, name): (u8, &str),
) -> std::io::Result<()> {
    /// The pattern type: the exact resource name.
    const LITERAL: u8 = 3;
    const ALLOW: u8 = 3;
    let mut creation = vec![0, 0, 0, 1, kind];
    let mut string = |text: &str, then: &[u8]| {
        creation.extend((text.len() as i16).to_be_bytes());
        creation.extend(text.as_bytes());
        creation.extend(then);
    };
    string(name, &[LITERAL]);
    string(&format!("User:{user}"), &[]);
    string("*", &[operation, ALLOW]);
    let response = request(port, CREATE_ACLS, 1, &creation)?;
    let mut body = Body(&response);
    // Throttle time, one result.
    body.number(4)?;
    body.number(4)?;
    match body.number(2)? {
        0 => Ok(()),
        code => Err(Error::other(format!("the cluster responded with error code {code}"))),
    }
}

/// Sends a request on a new connection and returns the response without its correlation id.
fn request(port: u16, key: i16, version: i16, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, RESPONSE_TIMEOUT)?;
    stream.set_read_timeout(Some(RESPONSE_TIMEOUT))?;
    let mut request = Vec::with_capacity(64);
    request.extend_from_slice(&(10 + body.len() as i32).to_be_bytes());
    request.extend_from_slice(&key.to_be_bytes());
    request.extend_from_slice(&version.to_be_bytes());
    request.extend_from_slice(&CORRELATION.to_be_bytes());
    // No client id.
    request.extend_from_slice(&(-1_i16).to_be_bytes());
    request.extend_from_slice(body);
    stream.write_all(&request)?;

    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let size = usize::try_from(i32::from_be_bytes(size)).map_err(|_| malformed())?;
    if !(4..=RESPONSE_BYTES_MAX).contains(&size) {
        return Err(malformed());
    }
    let mut response = vec![0; size];
    stream.read_exact(&mut response)?;
    if response[..4] != CORRELATION.to_be_bytes() {
        return Err(malformed());
    }
    Ok(response.split_off(4))
}

fn malformed() -> Error {
    Error::new(ErrorKind::InvalidData, "malformed response of the broker")
}

/// The unread part of a response.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, count: usize) -> std::io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A signed integer of 1, 2 or 4 bytes.
    fn number(&mut self, bytes: usize) -> std::io::Result<i32> {
        let taken = self.take(bytes)?;
        let sign = if taken[0] & 0x80 == 0 { 0 } else { -1 };
        Ok(taken.iter().fold(sign, |number, byte| number << 8 | i32::from(*byte)))
    }

    /// A string with a length of two bytes; -1 is null.
    fn skip_string(&mut self) -> std::io::Result<()> {
        let length = self.number(2)?.max(0);
        self.take(length as usize).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::Body;

    #[test]
    fn integers_are_signed_and_bounds_are_checked() {
        let mut body = Body(&[0xff, 0xfe, 0x01, 0, 0, 1, 0]);
        assert_eq!(body.number(2).unwrap(), -2);
        assert_eq!(body.number(1).unwrap(), 1);
        assert_eq!(body.number(4).unwrap(), 256);
        assert!(body.number(1).is_err());
    }
}
