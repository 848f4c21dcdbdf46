//! A producer under pressure: who is refused, who is not, and that it passes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use erboh::limits::BUDGET_BULK_BYTES;
use erboh_testbed::{Child, Signal};
use serde_json::Value;

use crate::WAIT_MAX;
use crate::hazards::roles::{Role, Roles};
use crate::load::{agent, eventually, post};

const RATING: &str = r#"{"battle":"a vs b","voice1":"Big Bird","voice2":"Macho Man","rating":2}"#;

/// The room there is for lists, in bytes.
const ROOM: u64 = BUDGET_BULK_BYTES as u64;

/// Ratings of a list that takes all of it; each takes some 400 bytes.
const LONG_LIST: usize = (ROOM / 350) as usize;

/// Idle connections, if this process may open so many.
const IDLE: usize = 2_000;

/// An embedded broker that can be made to stand still, and its address.
fn broker(home: &std::path::Path) -> (Child, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_erboh"));
    command.args(["broker", "--listen=127.0.0.1:0"]).env_clear();
    command.arg(format!("--data-dir={}", home.display()));
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut child = Child::spawn(command).unwrap();
    let mut line = String::new();
    let stdout = child.take_stdout().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
    (child, line.split_whitespace().last().unwrap().to_owned())
}

/// A list of so many ratings: the status, when to come back, and the body of its answer.
fn post_list(producer: &str, ratings: usize) -> (u16, Option<String>, Value) {
    let body = format!("[{}]", vec![RATING; ratings].join(","));
    let request = agent().post(format!("{producer}api/v1/ratings"));
    let mut answer = request.header("content-type", "application/json").send(body).unwrap();
    let again = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    let text = answer.body_mut().with_config().limit(1 << 30).read_to_string().unwrap();
    (answer.status().as_u16(), again, serde_json::from_str(&text).unwrap())
}

fn bytes_in_flight(producer: &Role) -> u64 {
    let mut answer = agent().get(format!("{}metrics", producer.ops)).call().unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    let line = text.lines().find(|line| line.starts_with("erboh_producer_in_flight_bytes "));
    line.and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap()
}

#[test]
fn a_list_that_fills_the_producer_keeps_out_lists_but_no_single_rating() {
    let home = tempfile::tempdir().unwrap();
    let (broker, bootstrap) = broker(home.path());
    let roles = Roles::set_up(&bootstrap, 3, 1);
    let producer = roles.producer(&[]);
    let (status, _) = post(&agent(), &producer.url, RATING).unwrap();
    assert_eq!(status, 201);

    broker.signal(Signal::Stop).unwrap();
    std::thread::scope(|scope| {
        let long = scope.spawn(|| post_list(&producer.url, LONG_LIST));
        eventually("the long list is on its way", || {
            (bytes_in_flight(&producer) >= ROOM).then_some(())
        });
        let (status, again, problem) = post_list(&producer.url, 1_000);
        assert_eq!((status, again.as_deref()), (429, Some("1")), "{problem}");
        assert_eq!(problem["code"], "too-busy");
        let single = scope.spawn(|| post(&agent(), &producer.url, RATING).unwrap());
        broker.signal(Signal::Continue).unwrap();
        assert_eq!(single.join().unwrap().0, 201, "there is always room for one");
        let (status, _, answer) = long.join().unwrap();
        assert_eq!((status, &answer["created"]), (200, &LONG_LIST.into()));
    });
    assert_eq!(bytes_in_flight(&producer), 0);
    assert_eq!(post_list(&producer.url, 1_000).0, 200, "and afterwards there is room again");
    producer.stop();
}

#[test]
fn a_crowd_of_idle_connections_keeps_nobody_out() {
    let home = tempfile::tempdir().unwrap();
    let (_broker, bootstrap) = broker(home.path());
    let roles = Roles::set_up(&bootstrap, 3, 1);
    let producer = roles.producer(&[]);
    let address = producer.url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut idle = Vec::new();
    for number in 0..IDLE.min(open_files_max() - 300) {
        let mut socket = TcpStream::connect(&address).unwrap();
        // Half of them pretend that a request is coming.
        if number % 2 == 0 {
            // Whoever came early may have had to leave already.
            let _ = socket.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ");
        }
        idle.push(socket);
        // Often enough that the kernel's queue of new connections never fills, which would cost
        // the test a second each time.
        if number % 50 == 0 {
            assert_eq!(post(&agent(), &producer.url, RATING).unwrap().0, 201, "after {number}");
        }
    }
    assert_eq!(post(&agent(), &producer.url, RATING).unwrap().0, 201);
    // Who came last is still there: its request is answered.
    let last = idle.last_mut().unwrap();
    last.set_read_timeout(Some(WAIT_MAX)).unwrap();
    last.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    last.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    producer.stop();
}

/// Files that this process may open.
fn open_files_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(usize::MAX)
}
