//! A minimal HTTP client, because the client shares the machine with the server under test.
//!
//! It uses one connection to a server that is known to speak HTTP/1.1 correctly, and does not
//! validate its responses beyond that.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};

/// Read and write timeout. The server responds after five seconds at most.
const IO_TIMEOUT: Duration = Duration::from_secs(30);
/// Size of one read.
const READ_BYTES: usize = 64 * 1024;
/// Largest accepted response: the results of the largest request sent here.
const RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// An HTTP connection.
pub(crate) struct Client {
    socket: TcpStream,
    /// Bytes read but not parsed yet.
    buffer: Vec<u8>,
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The status line and the headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a header; `name` is in lower case.
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
        let socket =
            TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(IO_TIMEOUT))?;
        socket.set_write_timeout(Some(IO_TIMEOUT))?;
        Ok(Self { socket, buffer: Vec::with_capacity(READ_BYTES) })
    }

    /// Posts ratings: `body` repeated `times` times, with the additional header lines `more`.
    pub(crate) fn post(
        &mut self,
        kind: &str,
        more: &str,
        body: &[u8],
        times: usize,
    ) -> anyhow::Result<Response> {
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
        self.response()
    }

    fn response(&mut self) -> anyhow::Result<Response> {
        let end = self.until(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        self.buffer.drain(..end);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut response =
            Response { status: status.context("no status line")?, head, body: Vec::new() };
        if response.header("transfer-encoding") == Some("chunked") {
            response.body = self.chunks()?;
        } else {
            let length = response.header("content-length").unwrap_or("0").parse()?;
            response.body = self.take(length)?;
        }
        Ok(response)
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
            if body.len() > RESPONSE_BYTES_MAX {
                bail!("the response is larger than {RESPONSE_BYTES_MAX} bytes");
            }
        }
    }

    fn take(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        if length > RESPONSE_BYTES_MAX {
            bail!("the response is larger than {RESPONSE_BYTES_MAX} bytes");
        }
        while self.buffer.len() < length {
            self.read()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Reads until the buffer contains `wanted`; returns the index after it.
    fn until(&mut self, wanted: &[u8]) -> anyhow::Result<usize> {
        loop {
            let found = self.buffer.windows(wanted.len()).position(|part| part == wanted);
            if let Some(start) = found {
                return Ok(start + wanted.len());
            }
            if self.buffer.len() > READ_BYTES {
                bail!("a response head larger than {READ_BYTES} bytes");
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
            Ok(0) => bail!("the server closed the connection before the response was complete"),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Parses a response with these bytes.
    fn read(response: &'static [u8]) -> anyhow::Result<Response> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Client::connect(listener.local_addr().unwrap()).unwrap();
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            assert!(socket.read(&mut request).unwrap() > 0);
            // Byte by byte, like a slow network.
            for byte in response {
                socket.write_all(&[*byte]).unwrap();
            }
        });
        let response = client.post("text/plain", "", b"a", 1);
        server.join().unwrap();
        response
    }

    #[test]
    fn responses_with_length_and_chunks_are_parsed() {
        let response = read(b"HTTP/1.1 429 Busy\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\nno");
        let response = response.unwrap();
        assert_eq!((response.status, &response.body[..]), (429, &b"no"[..]));
        assert_eq!(response.header("retry-after"), Some("1"));
        let response = read(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA\r\n0123456789\r\n0\r\n\r\n",
        );
        assert_eq!(response.unwrap().body, b"ab0123456789");
    }

    #[test]
    fn incomplete_response_is_an_error() {
        assert!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab").is_err());
        assert!(read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n").is_err());
    }
}
