//! A collector: takes OTLP over HTTP and remembers the spans.
//!
//! ```text
//!  request { 1: resource spans { 1: resource { 1: attribute }, 2: scope spans { 2: span } } }
//!  span    { 1: trace, 2: id, 4: parent, 5: name, 6: kind, 9: attribute, 13: link { 1: trace, 2: id } }
//!  attribute { 1: key, 2: value { 1: text, 3: number } }
//! ```
//!
//! It reads the protobuf itself: these few fields need no generated code, and what the sender's own
//! library can read back would prove less.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A span as far as the tests look at it; ids are in hexadecimal digits.
#[derive(Debug, Clone, Default)]
pub(super) struct Span {
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) name: String,
    pub(super) kind: u64,
    pub(super) texts: BTreeMap<String, String>,
    pub(super) numbers: BTreeMap<String, u64>,
    pub(super) links: Vec<(String, String)>,
}

pub(super) struct Collector {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    /// Listens until the test binary ends.
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let bodies = Arc::default();
        let collector = Self { address, bodies: Arc::clone(&bodies) };
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let bodies = Arc::clone(&bodies);
                std::thread::spawn(move || serve(&socket, &bodies));
            }
        });
        collector
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        let bodies = self.bodies.lock().unwrap();
        let resources = bodies.iter().flat_map(|body| messages(body, 1));
        let scopes = resources.flat_map(|resource| messages(resource, 2));
        scopes.flat_map(|scope| messages(scope, 2)).map(span).collect()
    }

    /// The names of those who have sent.
    pub(super) fn services(&self) -> Vec<String> {
        let bodies = self.bodies.lock().unwrap();
        let resources = bodies.iter().flat_map(|body| messages(body, 1));
        let resources = resources.flat_map(|spans| messages(spans, 1));
        let attributes = resources.flat_map(|resource| messages(resource, 1)).filter_map(attribute);
        let names = attributes.filter(|(key, _)| key == "service.name");
        let mut names: Vec<String> = names.filter_map(|(_, value)| value.ok()).collect();
        names.dedup();
        names
    }
}

/// Reads requests from a connection and thanks for each.
fn serve(socket: &TcpStream, bodies: &Mutex<Vec<Vec<u8>>>) {
    let mut reader = BufReader::new(socket);
    loop {
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line).is_ok_and(|read| read > 0) && line != "\r\n" {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            line.clear();
        }
        if line.is_empty() {
            return;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("the body");
        bodies.lock().unwrap().push(body);
        let mut socket = socket;
        let thanks = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n\
                      content-length: 0\r\n\r\n";
        socket.write_all(thanks.as_bytes()).expect("the answer is taken");
    }
}

/// A field's value: a number or bytes. Fixed-width numbers are passed over.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (first, rest) = bytes.split_first().expect("a varint goes on");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        shift += 7;
        if first & 0x80 == 0 {
            return value;
        }
    }
}

/// The fields of a message, in their order.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Value<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let mut take = |length: usize| {
            let (value, rest) = bytes.split_at(length);
            bytes = rest;
            value
        };
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut bytes)),
            1 => (take(8), Value::Fixed).1,
            2 => {
                let length = varint(&mut bytes) as usize;
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                Value::Bytes(value)
            }
            5 => (take(4), Value::Fixed).1,
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, value));
    }
    fields
}

fn messages(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    let wanted = |(found, value)| match value {
        Value::Bytes(bytes) if found == number => Some(bytes),
        _ => None,
    };
    fields(bytes).into_iter().filter_map(wanted).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes it");
        text
    })
}

/// A key, and its value as text or as a number.
fn attribute(bytes: &[u8]) -> Option<(String, Result<String, u64>)> {
    let key = text(messages(bytes, 1).first()?);
    fields(messages(bytes, 2).first()?).into_iter().find_map(|(number, value)| match value {
        Value::Bytes(value) if number == 1 => Some((key.clone(), Ok(text(value)))),
        Value::Number(value) if number == 3 => Some((key.clone(), Err(value))),
        _ => None,
    })
}

fn span(bytes: &[u8]) -> Span {
    let mut span = Span::default();
    for field in fields(bytes) {
        match field {
            (1, Value::Bytes(id)) => span.trace = hex(id),
            (2, Value::Bytes(id)) => span.id = hex(id),
            (4, Value::Bytes(id)) => span.parent = hex(id),
            (5, Value::Bytes(name)) => span.name = text(name),
            (6, Value::Number(kind)) => span.kind = kind,
            (9, Value::Bytes(bytes)) => match attribute(bytes) {
                Some((key, Ok(value))) => drop(span.texts.insert(key, value)),
                Some((key, Err(value))) => drop(span.numbers.insert(key, value)),
                None => {}
            },
            (13, Value::Bytes(link)) => {
                let id = |number| hex(messages(link, number).first().expect("an id"));
                span.links.push((id(1), id(2)));
            }
            _ => {}
        }
    }
    span
}
