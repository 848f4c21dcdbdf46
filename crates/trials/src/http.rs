//! HTTP: a client that costs as little as possible, because it shares the machine with what is
//! measured.
//!
//! It speaks to one server that is known to speak HTTP/1.1 properly, on one connection, and believes
//! what it says: this is a measuring instrument and no browser.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};

/// Longest time without a byte from the server, who answers after five seconds at the latest.
const SILENCE: Duration = Duration::from_secs(30);
/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;
/// Largest answer that is taken: the results of a request of the largest kind that is sent here.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One connection.
pub(crate) struct Client {
    socket: TcpStream,
    /// What was read, and of it what has not been looked at yet.
    buffer: Vec<u8>,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The headers with the status line, in small letters.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header, whose name is in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let value = |line: &'_ str| -> Option<usize> {
            let (found, _) = line.split_once(':')?;
            (found == name).then_some(found.len() + 1)
        };
        self.head.lines().find_map(|line| Some(line[value(line)?..].trim()))
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).with_context(|| format!("reaching {address}"))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(SILENCE))?;
        socket.set_write_timeout(Some(SILENCE))?;
        Ok(Self { socket, buffer: Vec::with_capacity(READ_BYTES) })
    }

    /// Posts ratings, of which `body` is a part that is sent `times` times.
    pub(crate) fn post(
        &mut self,
        kind: &str,
        more: &str,
        body: &[u8],
        times: usize,
    ) -> anyhow::Result<Answer> {
        let head = format!(
            "POST /api/v1/ratings HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\n\
             content-length: {}\r\n{more}\r\n",
            body.len() * times
        );
        let mut message = head.into_bytes();
        if times == 1 {
            message.extend_from_slice(body);
            self.socket.write_all(&message)?;
        } else {
            self.socket.write_all(&message)?;
            (0..times).try_for_each(|_| self.socket.write_all(body))?;
        }
        self.answer()
    }

    fn answer(&mut self) -> anyhow::Result<Answer> {
        let end = self.until(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        self.buffer.drain(..end);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut answer =
            Answer { status: status.context("no status line")?, head, body: Vec::new() };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = self.chunks()?;
        } else {
            let length = answer.header("content-length").unwrap_or("0").parse()?;
            answer.body = self.take(length)?;
        }
        Ok(answer)
    }

    fn chunks(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = self.until(b"\r\n")?;
            let line = std::str::from_utf8(&self.buffer[..end])?.trim();
            let length = usize::from_str_radix(line, 16).context("the length of a chunk")?;
            self.buffer.drain(..end);
            let chunk = self.take(length + 2)?;
            if length == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..length]);
            if body.len() > ANSWER_BYTES_MAX {
                bail!("the answer is larger than {ANSWER_BYTES_MAX} bytes");
            }
        }
    }

    fn take(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        if length > ANSWER_BYTES_MAX {
            bail!("the answer is larger than {ANSWER_BYTES_MAX} bytes");
        }
        while self.buffer.len() < length {
            self.read()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Reads until these bytes are there; says where they end.
    fn until(&mut self, wanted: &[u8]) -> anyhow::Result<usize> {
        loop {
            let found = self.buffer.windows(wanted.len()).position(|part| part == wanted);
            if let Some(start) = found {
                return Ok(start + wanted.len());
            }
            if self.buffer.len() > READ_BYTES {
                bail!("a head larger than {READ_BYTES} bytes");
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> anyhow::Result<()> {
        let old = self.buffer.len();
        self.buffer.resize(old + READ_BYTES, 0);
        let read = self.socket.read(&mut self.buffer[old..]);
        self.buffer.truncate(old + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(0) => bail!("the server closed the connection in the middle of an answer"),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What the client makes of these bytes.
    fn read(answer: &'static [u8]) -> anyhow::Result<Answer> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Client::connect(listener.local_addr().unwrap()).unwrap();
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            assert!(socket.read(&mut request).unwrap() > 0);
            // Byte by byte, as a network may.
            for byte in answer {
                socket.write_all(&[*byte]).unwrap();
            }
        });
        let answer = client.post("text/plain", "", b"a", 1);
        server.join().unwrap();
        answer
    }

    #[test]
    fn both_kinds_of_bodies_are_read() {
        let answer = read(b"HTTP/1.1 429 Busy\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\nno");
        let answer = answer.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (429, &b"no"[..]));
        assert_eq!(answer.header("retry-after"), Some("1"));
        let answer = read(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA\r\n0123456789\r\n0\r\n\r\n",
        );
        assert_eq!(answer.unwrap().body, b"ab0123456789");
    }

    #[test]
    fn half_an_answer_is_none() {
        assert!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab").is_err());
        assert!(read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n").is_err());
    }
}
