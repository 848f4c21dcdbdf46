//! The audit as a process, against a demo, against boards that lie, and against logs that changed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use erboh::queue::{Admin, KafkaSettings, OutRecord, Placed, Reader, Writer};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::WAIT_MAX;
use crate::load::{agent, get};
use crate::process::{ANY_PORT, Process, erboh};
use crate::support::wait::eventually;

const RATINGS: &str = "erboh-ratings";
const TOTALS: &str = "erboh-totals";

/// A demo with two partitions, and ways to write to its queue.
struct Bench {
    process: Process,
    home: tempfile::TempDir,
    board: String,
    kafka: String,
    ratings: Writer,
}

impl Bench {
    fn new() -> Self {
        Self::start(tempfile::tempdir().unwrap())
    }

    fn start(home: tempfile::TempDir) -> Self {
        let flags = [&ANY_PORT[..], &["--partitions=2"]].concat();
        let mut process = Process::demo(home.path(), &flags);
        let places = process.places();
        let place = |name: &str| places.iter().find(|(of, _)| of == name).unwrap().1.clone();
        let (board, kafka) = (place("board"), place("kafka"));
        let ratings = Writer::connect(&KafkaSettings::new(&*kafka), RATINGS).unwrap();
        Self { process, home, board, kafka, ratings }
    }

    /// kill -9 and a new start on the same data.
    fn again(self) -> Self {
        self.process.kill();
        Self::start(self.home)
    }

    fn kafka(&self) -> KafkaSettings {
        KafkaSettings::new(&*self.kafka)
    }

    /// Writes values to partition 0.
    async fn write(&self, values: &[String]) -> Vec<Placed> {
        let record = |value: &String| OutRecord {
            partition: Some(0),
            ..OutRecord::new("key", value.as_str())
        };
        send(&self.ratings, values.iter().map(record).collect()).await
    }

    /// Ratings, a second copy, the old form, and what is no rating: 6 records, 3 of which count.
    async fn write_everything(&self) {
        let first = rating("Big Bird", "Macho Man", 2);
        let old = "Moses vs Santa Claus|Big Bird|Santa Claus|0".to_owned();
        let other = rating("Big Bird", "<script>", 1);
        let dead = ["nonsense".to_owned(), rating("Big Bird", "Big Bird", 1)];
        self.write(&[first.clone(), first, old, other]).await;
        self.write(&dead).await;
    }

    fn audit(&self, flags: &[&str]) -> Output {
        audit(&self.kafka, &[&["--board", &self.board], flags].concat())
    }

    /// The newest snapshot of partition 0 once it covers `next_offset`, with its slot.
    fn snapshot(&self, next_offset: i64) -> (String, Value) {
        let reader = Reader::for_ranges(&self.kafka(), "test").unwrap();
        eventually(&format!("a snapshot up to {next_offset}"), || {
            let mut newest = None;
            let range = reader.watermarks(TOTALS, 0).unwrap();
            reader
                .range(TOTALS, 0, range, |record| {
                    let slot = String::from_utf8(record.key().unwrap().to_vec()).unwrap();
                    let value: Value = serde_json::from_slice(record.value().unwrap()).unwrap();
                    newest = Some((slot, value));
                })
                .unwrap();
            newest.filter(|(_, value): &(_, Value)| {
                value["next_offset"].as_i64() >= Some(next_offset)
            })
        })
    }

    async fn put_snapshot(&self, slot: &str, snapshot: &Value) {
        let record = OutRecord { partition: Some(0), ..OutRecord::new(slot, snapshot.to_string()) };
        send(&self.ratings.on_topic(TOTALS), vec![record]).await;
    }
}

async fn send(writer: &Writer, records: Vec<OutRecord>) -> Vec<Placed> {
    let results = writer.send(records, WAIT_MAX).await;
    results.into_iter().map(|result| result.unwrap()).collect()
}

fn rating(voice1: &str, voice2: &str, score: u8) -> String {
    let id = Uuid::now_v7();
    json!({"id": id, "battle": "b", "voice1": voice1, "voice2": voice2, "rating": score})
        .to_string()
}

fn audit(kafka: &str, flags: &[&str]) -> Output {
    erboh([&["audit", "--brokers", kafka], flags].concat())
}

#[track_caller]
fn check(output: &Output, code: i32, expected: &[&str]) {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}\n{errors}");
    for part in expected {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

/// The report as JSON.
#[track_caller]
fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exact_board_is_called_exact() {
    let bench = Bench::new();
    check(&bench.audit(&[]), 0, &["exact: 0 record(s) of 2 partition(s)"]);
    bench.write_everything().await;
    let output = bench.audit(&[]);
    check(&output, 0, &["exact: 6 record(s) of 2 partition(s) recounted in"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> =
        text.lines().take(3).map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(
        rows[0],
        ["partition", "offsets", "ratings", "duplicates", "dead", "letters", "verdict"]
    );
    assert_eq!(rows[1], ["0", "0..6", "3", "1", "2", "exact"]);
    assert_eq!(rows[2], ["1", "0..0", "0", "0", "0", "exact"]);

    let bench = bench.again();
    bench.write_everything().await;
    let output = bench.audit(&["--json"]);
    check(&output, 0, &[]);
    let mut report = report(&output);
    assert!(report["elapsed_ms"].take().is_u64());
    let statements = report["partitions"][0]["statements"].take();
    assert!(statements.as_array().unwrap().iter().all(|of| of["agrees"] == true), "{statements:#}");
    let source = format!("the board {}", bench.board.trim_end_matches('/'));
    let statement = |of: &&Value| of["source"] == *source;
    let board = statements.as_array().unwrap().iter().find(statement).unwrap();
    assert_eq!(board["next_offset"], 12);
    report["partitions"][1]["statements"].take();
    report["boards"][0]["board"].take();
    let report = serde_json::to_string_pretty(&report).unwrap();
    insta::assert_snapshot!("audit_json", report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_snapshot_is_found_with_its_voices_and_offsets() {
    let bench = Bench::new();
    bench.write_everything().await;
    let (slot, genuine) = bench.snapshot(6);
    let next = slot.parse::<i64>().unwrap() + 1;
    bench.write(&[rating("Big Bird", "Macho Man", 0)]).await;
    bench.snapshot(7);
    // In an older slot, so that the boards do not look at it any more.
    let mut forged = genuine;
    forged["voices"]["Big Bird"] = json!([0, 1, 2]);
    forged["writer"] = json!("a \u{1b}[31mforger");
    bench.put_snapshot(&((next + 3) % 8).to_string(), &forged).await;
    let output = bench.audit(&[]);
    check(
        &output,
        1,
        &[
            "NOT EXACT: 7 record(s)",
            r"written by a \u{1b}[31mforger does not say what the log adds up to",
            "Big Bird: said 0 hated, 1 meh, 2 liked, the log 1 hated, 1 meh, 1 liked",
        ],
    );
    let report = report(&bench.audit(&["--json", "--no-board", "--partition", "0"]));
    assert_eq!(report["verdict"], "not_exact");
    assert_eq!(report["boards"], json!([]));
    let finding = &report["partitions"][0]["findings"][0];
    assert_eq!(finding["offsets"][1], 6, "{report:#}");
    assert_eq!(
        finding["differences"],
        json!([{"what": "Big Bird", "stated": [0, 1, 2], "counted": [1, 1, 1]}])
    );
    // The other partition is as it should be.
    check(&bench.audit(&["--partition=1"]), 0, &["exact: 0 record(s) of 1 partition(s)"]);
}

/// Serves HTTP on a port of its own: status and body for each path.
fn serve(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = request.next().unwrap().unwrap();
            while request.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let (status, body) = answer(first.split(' ').nth(1).unwrap());
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close");
            // Who asked may have gone.
            let _ = write!(stream, "{head}\r\n\r\n{body}");
        }
    });
    address
}

/// A board that passes on what a real one answers, with one number changed.
fn forged_board(genuine: &str) -> String {
    let genuine = genuine.trim_end_matches('/').to_owned();
    serve(move |path| {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let agent: ureq::Agent = config.into();
        let mut answer = agent.get(format!("{genuine}{path}")).call().unwrap();
        let body = answer.body_mut().read_to_string().unwrap();
        let (wrong, right) = (r#""hated":0,"meh":1,"liked":2"#, r#""hated":1,"meh":1,"liked":1"#);
        (answer.status().as_u16(), body.replace(right, wrong))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_that_shows_something_else_is_found() {
    let bench = Bench::new();
    bench.write_everything().await;
    // The sums are compared where the board stands when it is asked; at its start they are none.
    let shown = format!("{}api/v1/totals?after=0:5", bench.board);
    eventually("the board shows everything", || get(&agent(), &shown));
    let forged = forged_board(&bench.board);
    let boards = format!("{},{forged}", bench.board);
    let output = audit(&bench.kafka, &["--board", &boards]);
    check(
        &output,
        1,
        &[
            &format!("the sums on the board {forged}:"),
            "Big Bird: said 0 hated, 1 meh, 2 liked, the log 1 hated, 1 meh, 1 liked",
            // It forgot to forge the sum as well.
            "sum of Big Bird: said 3, the log 5",
        ],
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(&format!("board {}:", bench.board.trim_end_matches('/'))), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retention_took_is_named_and_the_rest_is_verified() {
    let bench = Bench::new();
    bench.write_everything().await;
    bench.snapshot(6);
    let admin = Admin::connect(&bench.kafka()).unwrap();
    admin.delete_records(RATINGS, 0, 4).await.unwrap();
    bench.write(&[rating("Big Bird", "Macho Man", 0)]).await;
    bench.snapshot(7);
    check(
        &bench.audit(&[]),
        2,
        &[
            "offsets 0..4 are no longer in the log and cannot be counted again",
            "to 7 is exact",
            "could not tell: 3 record(s)",
        ],
    );
    // Now what was added since is wrong.
    let (slot, mut forged) = bench.snapshot(7);
    forged["dead"] = json!(5);
    bench.put_snapshot(&slot, &forged).await;
    check(
        &bench.audit(&["--no-board"]),
        1,
        &["..7: the snapshot in slot", "dead letters: said 5, the log 2"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_of_another_log_cannot_be_verified() {
    let bench = Bench::new();
    bench.write_everything().await;
    bench.snapshot(6);
    let admin = Admin::connect(&bench.kafka()).unwrap();
    admin.delete(RATINGS).await.unwrap();
    let deadline = Instant::now() + WAIT_MAX;
    while admin.partitions(RATINGS).await.unwrap() > 0 {
        assert!(Instant::now() < deadline, "the topic does not go");
    }
    admin.create(RATINGS, 2, 1, &[]).await.unwrap();
    let ratings = Writer::connect(&bench.kafka(), RATINGS).unwrap();
    let values: Vec<OutRecord> = (0..9)
        .map(|_| OutRecord { partition: Some(0), ..OutRecord::new("k", rating("a", "b", 1)) })
        .collect();
    send(&ratings, values).await;
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        let output = bench.audit(&["--json"]);
        check(&output, 2, &["made anew"]);
        let halted = |reason: &Value| reason.as_str().unwrap().contains("; halted: ");
        let report = report(&output);
        if report["partitions"][0]["reasons"].as_array().unwrap().iter().any(halted) {
            break;
        }
        assert!(Instant::now() < deadline, "{report:#}");
    }
}

#[test]
fn who_cannot_be_reached_is_named() {
    let output = audit("127.0.0.1:1", &["--board", "http://127.0.0.1:1/"]);
    check(
        &output,
        2,
        &[
            "cannot read the partitions of topic erboh-ratings",
            "http://127.0.0.1:1/api/v1/totals",
            "could not tell: 0 record(s)",
        ],
    );
    let output = audit("127.0.0.1:1", &["--kafka-property", "no.such=1"]);
    check(&output, 2, &["no.such"]);
    let output = audit("127.0.0.1:1", &["--board", "https://x"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("port-forward"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_that_cannot_be_reached_leaves_the_snapshots() {
    let bench = Bench::new();
    bench.write_everything().await;
    bench.snapshot(6);
    check(&audit(&bench.kafka, &["--no-board"]), 0, &["the snapshots say the same"]);
    let output = audit(&bench.kafka, &["--board", "http://127.0.0.1:1", "--json"]);
    check(&output, 2, &[]);
    let report = report(&output);
    assert_eq!(report["partitions"][0]["verdict"], "exact", "{report:#}");
    assert_eq!(report["boards"][0]["verdict"], "unknown");
}

/// A board that knows nothing of any partition, and says when it was asked for one.
fn behind_board() -> (String, Receiver<()>) {
    let (asked, hear) = channel();
    let address = serve(move |path| match path {
        "/api/v1/totals" => {
            let totals = r#"{"voices":[],"counted":0,"duplicates":0,"dead":0,"position":{}}"#;
            (200, totals.to_owned())
        }
        "/api/v1/partitions" => (200, format!(r#"{{"topic":"{RATINGS}","partitions":[]}}"#)),
        _ => {
            // Nobody there means that the test has heard enough.
            let _ = asked.send(());
            (404, String::new())
        }
    });
    (address, hear)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_limit_and_a_signal_end_it_cleanly() {
    let bench = Bench::new();
    bench.write_everything().await;
    // The audit waits for a board that is behind, so that both come before the end.
    let (board, _) = behind_board();
    let flags = ["--board", &board, "--time-limit-ms", "500"];
    check(&audit(&bench.kafka, &flags), 2, &["the time limit (--time-limit-ms) was reached"]);

    let (board, asked) = behind_board();
    let mut command = Command::new(env!("CARGO_BIN_EXE_erboh"));
    command.args(["audit", "--brokers", &bench.kafka, "--board", &board]).env_clear();
    let audit = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let heard = asked.recv_timeout(WAIT_MAX);
    let sent = Command::new("kill").args(["-INT", &audit.id().to_string()]).status().unwrap();
    let output = audit.wait_with_output().unwrap();
    assert!(heard.is_ok() && sent.success());
    check(&output, 130, &["the audit was stopped"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_that_stays_behind_is_named() {
    let bench = Bench::new();
    bench.write_everything().await;
    bench.snapshot(6);
    let (board, _) = behind_board();
    let expected = format!("partition 0: the board {board}: there are no totals of this partition");
    check(&audit(&bench.kafka, &["--board", &board, "--partition=0"]), 2, &[&expected]);
}
