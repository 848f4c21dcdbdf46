//! A long upload: a stream of lines takes no more memory at its end than near its beginning.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use erboh::queue::{KafkaSettings, Reader, Topics};
use serde_json::json;

use super::{NDJSON, RATINGS, rating};
use crate::WAIT_MAX;
use crate::hazards::roles::Roles;
use crate::process::Process;

/// Lines of the upload.
const LINES: usize = 1_000_000;

/// Lines that go out at once.
const LINES_AT_ONCE: usize = 5_000;

/// Answers after which every buffer has been used: from here on memory is compared.
const WARM_LINES: usize = 100_000;

/// What memory may differ by. The upload has 80 MB and its answer 130 MB, so that neither can be kept.
const GROWTH_BYTES_MAX: u64 = 32 * 1024 * 1024;

#[test]
fn a_million_lines_run_in_constant_memory() {
    let home = tempfile::tempdir().unwrap();
    let mut broker =
        Process::broker(home.path(), &[&format!("--data-dir={}", home.path().display())]);
    let bootstrap = broker.address();
    let roles = Roles::set_up(&bootstrap, 3, 1);
    let producer = roles.producer(&[]);
    let address = producer.url.trim_start_matches("http://").trim_end_matches('/');
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(WAIT_MAX)).unwrap();
    socket.set_write_timeout(Some(WAIT_MAX)).unwrap();
    let mut answer = BufReader::new(socket.try_clone().unwrap());
    let mut memory = Vec::new();
    let mut created = 0;
    let last = std::thread::scope(|scope| {
        scope.spawn(|| upload(&socket));
        let mut line = String::new();
        loop {
            line.clear();
            answer.read_line(&mut line).unwrap();
            if line.starts_with(r#"{"status":"created","#) {
                created += 1;
                if created >= WARM_LINES && created % LINES_AT_ONCE == 0 {
                    memory.push(producer.memory_bytes());
                }
            } else if line.starts_with("{\"status\":\"") {
                return serde_json::from_str::<serde_json::Value>(&line).unwrap();
            }
        }
    });
    let done = json!({
        "status": "done", "created": LINES, "invalid": 0, "unavailable": 0, "unknown": 0, "lines": LINES,
    });
    assert_eq!((created, last), (LINES, done));
    let (low, high) = (memory.iter().min().unwrap(), memory.iter().max().unwrap());
    assert!(high - low < GROWTH_BYTES_MAX, "from {low} to {high} bytes");
    let reader = Reader::connect(&KafkaSettings::new(bootstrap), "counts").unwrap();
    let ends = reader.ends(&Topics::default().ratings, 3).unwrap();
    assert_eq!(ends.values().sum::<i64>(), LINES as i64);
    producer.stop();
}

/// Writes the whole upload; its answer is read meanwhile by somebody else.
fn upload(mut socket: &TcpStream) {
    let line = format!("{}\n", rating("Moses vs Santa Claus"));
    let bytes = LINES * line.len();
    let head = format!(
        "POST {RATINGS} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {NDJSON}\r\ncontent-length: {bytes}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    let lines = line.repeat(LINES_AT_ONCE);
    for _ in 0..LINES / LINES_AT_ONCE {
        socket.write_all(lines.as_bytes()).unwrap();
    }
}
