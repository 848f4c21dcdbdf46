//! The log of the real binary: one JSON object a line, each request with its id, and no secret.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::WAIT_MAX;

/// A producer without a broker, whose log goes to a file.
struct Logging {
    child: Child,
    log: PathBuf,
}

impl Logging {
    fn start(home: &Path, filter: &str) -> Self {
        let log = home.join("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_erboh"));
        command.args(["producer", "--brokers=127.0.0.1:1", "--log-format=json"]);
        command.args(["--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0", "--log-filter", filter]);
        command.env_clear().stdout(Stdio::null()).stderr(File::create(&log).expect("a file"));
        Self { child: command.spawn().expect("the binary runs"), log }
    }

    /// Every line so far; each must be an object.
    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).expect("the log is text");
        // The last line may be on its way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let lines: Vec<Value> = whole.lines().map(parse).collect();
        assert!(lines.iter().all(Value::is_object), "{lines:?}");
        lines
    }

    /// Waits for a line of which `wanted` is true.
    fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        while started.elapsed() < WAIT_MAX {
            if let Some(line) = self.lines().into_iter().find(&wanted) {
                return line;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no line for {what} in {:#?}", self.lines());
    }

    fn address(&self) -> String {
        let line = self.until("the address", |line| {
            line["message"].as_str().is_some_and(|text| text.starts_with("producer on http://"))
        });
        let message = line["message"].as_str().expect("a text");
        message.trim_start_matches("producer on http://").split('/').next().unwrap().to_owned()
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(address: &str, request: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("a connection");
    socket.set_read_timeout(Some(WAIT_MAX)).expect("a time-out");
    socket.write_all(request.as_bytes()).expect("the request is taken");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    answer
}

/// The access line of the request with that id.
fn access(of: &Logging, id: &str) -> Value {
    of.until(id, |line| line["target"] == "erboh::access" && line["spans"][0]["request_id"] == id)
}

#[test]
fn a_request_is_found_in_the_log_by_its_id() {
    let home = tempfile::tempdir().expect("a directory");
    let producer = Logging::start(home.path(), "info");
    let address = producer.address();
    let body = r#"{"battle":"a vs b","voice1":"a","voice2":"b","rating":2}"#;
    let head = "host: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
                authorization: Bearer hunter2-hunter2-hunter2";
    let answer = ask(
        &address,
        &format!(
            "POST /api/v1/ratings?token=hunter2 HTTP/1.1\r\n{head}\r\nx-request-id: build-17\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    assert!(answer.contains("x-request-id: build-17\r\n"), "{answer}");
    let line = access(&producer, "build-17");
    let check = |field: &str, expected: Value| assert_eq!(line[field], expected, "{field}: {line}");
    check("level", "INFO".into());
    check("method", "POST".into());
    check("path", "/api/v1/ratings".into());
    check("route", "/api/v1/ratings".into());
    check("status", 503.into());
    check("problem", "queue-unavailable".into());
    check("request_bytes", body.len().into());
    check("complete", true.into());
    assert!(line["duration_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{line}");
    // A page is read, not written: under this filter it leaves no line.
    ask(&address, &format!("GET /health HTTP/1.1\r\n{head}\r\nx-request-id: read\r\n\r\n"));
    ask(&address, &format!("GET /nothing HTTP/1.1\r\n{head}\r\nx-request-id: last\r\n\r\n"));
    access(&producer, "last");
    let of_reading = |line: &Value| line["spans"][0]["request_id"] == "read";
    assert!(!producer.lines().iter().any(of_reading));
    let text = std::fs::read_to_string(&producer.log).expect("the log is text");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn whoever_asks_for_it_sees_every_request_and_still_no_secret() {
    let home = tempfile::tempdir().expect("a directory");
    let producer = Logging::start(home.path(), "trace");
    let address = producer.address();
    let answer = ask(
        &address,
        "GET /health?token=hunter2 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         authorization: Bearer hunter2-hunter2-hunter2\r\nx-request-id: read\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let line = access(&producer, "read");
    assert_eq!((&line["level"], &line["status"]), (&"DEBUG".into(), &200.into()), "{line}");
    let text = std::fs::read_to_string(&producer.log).expect("the log is text");
    assert!(!text.contains("hunter2"), "{text}");
}

/// The log's first lines on a terminal, of a process with these variables.
#[cfg(target_os = "linux")]
fn on_a_terminal(variables: &[(&str, &str)]) -> String {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&terminal).expect("it is ours");
    unlockpt(&terminal).expect("it can be opened");
    let name = ptsname(&terminal, Vec::new()).expect("its name").into_string().expect("text");
    let end = File::options().read(true).write(true).open(name).expect("its other end");
    let mut command = Command::new(env!("CARGO_BIN_EXE_erboh"));
    command.args(["producer", "--brokers=127.0.0.1:1"]);
    command.args(["--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0"]);
    command.env_clear().envs(variables.iter().copied()).stdout(Stdio::null()).stderr(end);
    let mut child = command.spawn().expect("the binary runs");
    // The command holds a copy of the terminal; without it the reading ends when the child ends.
    drop(command);
    let (mut terminal, mut shown) = (File::from(terminal), Vec::new());
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&shown).contains("producer on http://") {
        let read = terminal.read(&mut buffer).expect("the log goes on");
        shown.extend_from_slice(&buffer[..read]);
    }
    child.kill().expect("it can be ended");
    child.wait().expect("it has ended");
    String::from_utf8(shown).expect("the log is text")
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_is_coloured_unless_it_is_not_wanted() {
    let check = |variables: &[(&str, &str)], coloured: bool| {
        let shown = on_a_terminal(variables);
        assert_eq!(shown.contains('\u{1b}'), coloured, "{variables:?}: {shown:?}");
    };
    let terminal = ("TERM", "xterm-256color");
    check(&[terminal], true);
    check(&[terminal, ("NO_COLOR", "")], true);
    check(&[terminal, ("NO_COLOR", "1")], false);
    check(&[("TERM", "dumb")], false);
    check(&[], false);
}
