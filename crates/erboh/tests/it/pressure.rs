//! A producer under pressure: who is refused, who is not, and that it passes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use erboh::limits::BUDGET_BULK_BYTES;
use erboh_testbed::Signal;
use serde_json::Value;

use crate::WAIT_MAX;
use crate::hazards::roles::{Role, Roles};
use crate::load::{agent, post};
use crate::process::Process;
use crate::support::wait::becomes;

const RATING: &str = r#"{"battle":"a vs b","voice1":"Big Bird","voice2":"Macho Man","rating":2}"#;

/// The room there is for lists, in bytes.
const ROOM: u64 = BUDGET_BULK_BYTES as u64;

/// Ratings of a list that takes all of it; each takes some 400 bytes.
const LONG_LIST: usize = (ROOM / 350) as usize;

/// Idle connections, if this process may open so many.
const IDLE: usize = 2_000;

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
    let mut broker = Process::broker(home.path(), &[]);
    let roles = Roles::set_up(&broker.address(), 3, 1);
    let producer = roles.producer(&[]);
    let (status, _) = post(&agent(), &producer.url, RATING).unwrap();
    assert_eq!(status, 201);

    broker.signal(Signal::Stop);
    std::thread::scope(|scope| {
        let long = scope.spawn(|| post_list(&producer.url, LONG_LIST));
        becomes("the long list is on its way", || bytes_in_flight(&producer) >= ROOM);
        let (status, again, problem) = post_list(&producer.url, 1_000);
        assert_eq!((status, again.as_deref()), (429, Some("1")), "{problem}");
        assert_eq!(problem["code"], "too-busy");
        let single = scope.spawn(|| post(&agent(), &producer.url, RATING).unwrap());
        broker.signal(Signal::Continue);
        assert_eq!(single.join().unwrap().0, 201, "there is always room for one");
        let (status, _, answer) = long.join().unwrap();
        let counts = ["created", "unknown", "invalid", "unavailable"];
        let [created, unknown, others @ ..] = counts.map(|name| answer[name].as_u64().unwrap());
        // The broker may have stood still for longer than the producer waits for it.
        assert_eq!((status, created + unknown, others), (200, LONG_LIST as u64, [0, 0]));
    });
    becomes("nothing is in flight", || bytes_in_flight(&producer) == 0);
    assert_eq!(post_list(&producer.url, 1_000).0, 200, "and afterwards there is room again");
    producer.stop();
}

/// Sends so many ratings as lines: the status, and the last line of the answer.
fn post_lines(producer: &str, ratings: usize) -> (u16, Value) {
    let request = agent().post(format!("{producer}api/v1/ratings"));
    let request = request.header("content-type", "application/x-ndjson");
    let mut answer = request.send(format!("{RATING}\n").repeat(ratings)).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(text.lines().last().unwrap()).unwrap())
}

#[test]
fn a_simulation_that_the_queue_cannot_follow_keeps_nobody_out() {
    let home = tempfile::tempdir().unwrap();
    let mut broker = Process::broker(home.path(), &[]);
    let roles = Roles::set_up(&broker.address(), 3, 1);
    let producer = roles.producer(&[]);
    assert_eq!(post(&agent(), &producer.url, RATING).unwrap().0, 201);

    broker.signal(Signal::Stop);
    let simulations = format!("{}api/v1/simulations", producer.url);
    let order = agent().post(&simulations).header("content-type", "application/json");
    assert_eq!(order.send(r#"{"rate":200000}"#).unwrap().status(), 201);
    // More than may be on its way at once, so the rest of it stands in a line.
    becomes("the simulation has sent more than there is room for", || {
        let text = agent().get(&simulations).call().unwrap().body_mut().read_to_string().unwrap();
        let listed: Value = serde_json::from_str(&text).unwrap();
        listed["simulations"][0]["sent"].as_u64() > Some(15_000)
    });
    let before = bytes_in_flight(&producer);
    std::thread::scope(|scope| {
        let list = scope.spawn(|| post_list(&producer.url, 500));
        let lines = scope.spawn(|| post_lines(&producer.url, 500));
        becomes("both are on their way, or refused", || {
            let both = bytes_in_flight(&producer) >= before + 1_000 * 350;
            both || list.is_finished() || lines.is_finished()
        });
        broker.signal(Signal::Continue);
        // On a slow machine the queue may have stood still for longer than anybody waits for it.
        let check = |(status, answer): (u16, Value)| {
            assert_eq!(status, 200, "{answer}");
            let number = |name: &str| answer[name].as_u64().unwrap();
            assert_eq!(number("created") + number("unknown"), 500, "{answer}");
            answer["status"].clone()
        };
        let (status, _, answer) = list.join().unwrap();
        check((status, answer));
        assert_eq!(check(lines.join().unwrap()), "done");
    });
    producer.stop();
}

#[test]
fn a_crowd_of_idle_connections_keeps_nobody_out() {
    let home = tempfile::tempdir().unwrap();
    let mut broker = Process::broker(home.path(), &[]);
    let roles = Roles::set_up(&broker.address(), 3, 1);
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
