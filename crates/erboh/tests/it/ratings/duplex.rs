//! Both ways at once, on a socket: a client reads the answer to one line before it writes the next.

use std::collections::VecDeque;
use std::net::SocketAddr;

use erboh::producer;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{RATINGS, gzip, rating, records};
use crate::WAIT_MAX;
use crate::support::broker::Broker;
use crate::support::wait::until;

/// A producer on a port of its own, until the test ends.
struct Service {
    broker: Broker,
    address: SocketAddr,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

impl Service {
    async fn start() -> Self {
        let broker = Broker::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let server = tokio::spawn(producer::serve(listener, None, broker.role(), stop.clone()));
        Self { broker, address, stop, server }
    }

    async fn close(self) {
        self.stop.cancel();
        self.server.await.unwrap();
        self.broker.close().await;
    }
}

/// One upload by hand: chunks go out when they are written, answer lines come in when they arrive.
struct Upload {
    socket: BufReader<TcpStream>,
    arrived: VecDeque<u8>,
}

impl Upload {
    async fn begin(service: &Service) -> Self {
        Self::begin_at(service.address, "").await
    }

    /// With more lines of the request's head, each with its end.
    async fn begin_at(address: SocketAddr, more: &str) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST {RATINGS} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n\
             transfer-encoding: chunked\r\n{more}\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        Self { socket: BufReader::new(socket), arrived: VecDeque::new() }
    }

    async fn write(&mut self, text: &str) {
        self.write_bytes(text.as_bytes()).await;
    }

    async fn write_bytes(&mut self, bytes: &[u8]) {
        let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        self.socket.get_mut().write_all(&chunk).await.unwrap();
    }

    async fn finish(&mut self) {
        self.socket.get_mut().write_all(b"0\r\n\r\n").await.unwrap();
    }

    /// Reads the head of the answer; its status line.
    async fn head(&mut self) -> String {
        let first = self.text_line().await;
        while !self.text_line().await.is_empty() {}
        first
    }

    /// The next line of the answer; none at its end.
    async fn line(&mut self) -> Option<Value> {
        let reading = async {
            loop {
                if let Some(end) = self.arrived.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = self.arrived.drain(..=end).collect();
                    return Some(serde_json::from_slice(&line).unwrap());
                }
                let size = usize::from_str_radix(&self.text_line().await, 16).unwrap();
                if size == 0 {
                    return None;
                }
                let mut chunk = vec![0; size];
                self.socket.read_exact(&mut chunk).await.unwrap();
                self.arrived.extend(chunk);
                assert_eq!(self.text_line().await, "");
            }
        };
        tokio::time::timeout(WAIT_MAX, reading).await.expect("a line of the answer")
    }

    async fn text_line(&mut self) -> String {
        let mut line = String::new();
        let reading = self.socket.read_line(&mut line);
        tokio::time::timeout(WAIT_MAX, reading).await.expect("a line").unwrap();
        line.trim_end().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_line_is_answered_before_the_next_is_written() {
    let service = Service::start().await;
    let mut upload = Upload::begin(&service).await;
    for number in 1..=5 {
        // The line comes in two pieces, and is answered when it is whole.
        let line = format!("{}\n", rating(&format!("battle {number}")));
        upload.write(&line[..20]).await;
        upload.write(&line[20..]).await;
        if number == 1 {
            assert_eq!(upload.head().await, "HTTP/1.1 200 OK");
        }
        let answer = upload.line().await.unwrap();
        assert_eq!((&answer["line"], &answer["status"]), (&number.into(), &"created".into()));
    }
    upload.finish().await;
    let last = upload.line().await.unwrap();
    assert_eq!((&last["status"], &last["created"]), (&"done".into(), &5.into()));
    assert_eq!(upload.line().await, None);
    // The connection is there for the next request.
    let next = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    upload.socket.get_mut().write_all(next.as_bytes()).await.unwrap();
    // The end of the chunked answer is an empty line.
    assert_eq!(upload.text_line().await, "");
    assert_eq!(upload.head().await, "HTTP/1.1 200 OK");
    service.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_leaves_what_it_sent() {
    let service = Service::start().await;
    let mut upload = Upload::begin(&service).await;
    upload.write(&format!("{}\n{}\n{}", rating("one"), rating("two"), rating("half"))).await;
    assert_eq!(upload.head().await, "HTTP/1.1 200 OK");
    drop(upload);
    until("both ratings", async || (records(&service.broker).await == 2).then_some(())).await;
    service.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_closes_only_its_side_hears_how_far_it_got() {
    let service = Service::start().await;
    let mut upload = Upload::begin(&service).await;
    upload.write(&format!("{}\n{}", rating("one"), rating("half"))).await;
    assert_eq!(upload.head().await, "HTTP/1.1 200 OK");
    assert_eq!(upload.line().await.unwrap()["status"], "created");
    upload.socket.get_mut().shutdown().await.unwrap();
    let last = upload.line().await.unwrap();
    assert_eq!((&last["status"], &last["lines"]), (&"aborted".into(), &1.into()));
    assert_eq!(records(&service.broker).await, 1);
    service.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_tells_streams_how_far_they_got() {
    let service = Service::start().await;
    let mut upload = Upload::begin(&service).await;
    upload.write(&format!("{}\n{}", rating("one"), rating("half"))).await;
    assert_eq!(upload.head().await, "HTTP/1.1 200 OK");
    assert_eq!(upload.line().await.unwrap()["status"], "created");
    service.stop.cancel();
    let last = upload.line().await.unwrap();
    assert_eq!((&last["status"], &last["lines"]), (&"aborted".into(), &1.into()));
    assert!(last["reason"].as_str().unwrap().contains("stopping"), "{last}");
    assert_eq!(upload.line().await, None);
    drop(upload);
    service.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_still_writes_hears_why_its_upload_was_given_up() {
    let service = Service::start().await;
    let mut upload = Upload::begin_at(service.address, "content-encoding: gzip\r\n").await;
    let line = gzip(&format!("{}\n", rating("one"))).await;
    upload.write_bytes(&line).await;
    assert_eq!(upload.head().await, "HTTP/1.1 200 OK");
    // More than the buffers of both sides hold: without a reader these writes would stop.
    let noise = vec![b'x'; 1024 * 1024];
    for _ in 0..32 {
        upload.write_bytes(&noise).await;
    }
    assert_eq!(upload.line().await.unwrap()["status"], "created");
    let last = upload.line().await.unwrap();
    assert_eq!((&last["status"], &last["created"]), (&"aborted".into(), &1.into()));
    assert!(last["reason"].as_str().unwrap().contains("damaged"), "{last}");
    service.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_ends_when_the_queue_stays_away() {
    let Service { broker, address, stop, server } = Service::start().await;
    let mut upload = Upload::begin_at(address, "").await;
    upload.write(&format!("{}\n", rating("one"))).await;
    assert_eq!(upload.head().await, "HTTP/1.1 200 OK");
    assert_eq!(upload.line().await.unwrap()["status"], "created");
    broker.close().await;
    // Lines that come at the very moment at which the broker goes may have outcomes of their own.
    let last = tokio::time::timeout(WAIT_MAX, async {
        loop {
            upload.write(&format!("{}\n", rating("more"))).await;
            let line = upload.line().await.expect("a line");
            if line["status"] == "aborted" {
                return line;
            }
        }
    });
    let last = last.await.expect("an end");
    let (taken, reason) = (last["lines"].as_u64().unwrap(), last["reason"].as_str().unwrap());
    let told = ["created", "invalid", "unavailable", "unknown"].map(|name| last[name].as_u64());
    assert_eq!(told.iter().flatten().sum::<u64>(), taken, "{last}");
    assert!(reason.contains("127.0.0.1"), "{last}");
    assert!(reason.ends_with(&format!("go on after line {taken}")), "{last}");
    drop(upload);
    stop.cancel();
    server.await.unwrap();
}
