//! The doctor through the binary: on a demo, on addresses where no Kafka is, and on Apache Kafka.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use serde_json::Value;

use crate::WAIT_MAX;
use crate::process::{ANY_PORT, Process, erboh};

pub(crate) mod kafka;

/// What the doctor said, and its exit code.
struct Said {
    text: String,
    exit_code: i32,
}

fn doctor(brokers: &str, flags: &[&str]) -> Said {
    let output = erboh([&["doctor", "--brokers", brokers], flags].concat());
    let text = String::from_utf8(output.stdout).expect("a report is text");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors, "", "everything is in the report: {text}");
    Said { text, exit_code: output.status.code().expect("it ended by itself") }
}

fn json(brokers: &str) -> (Value, i32) {
    let said = doctor(brokers, &["--json"]);
    (serde_json::from_str(&said.text).expect("JSON"), said.exit_code)
}

/// The findings as `severity check subject`, in their order.
fn names(report: &Value) -> Vec<String> {
    let text = |finding: &Value, key: &str| finding[key].as_str().expect("a text").to_owned();
    let name =
        |finding: &Value| ["severity", "check", "subject"].map(|k| text(finding, k)).join(" ");
    report["findings"].as_array().expect("a list").iter().map(name).collect()
}

#[test]
fn a_demo_is_well() {
    let home = tempfile::tempdir().expect("a directory");
    let mut demo = Process::demo(home.path(), &ANY_PORT);
    let address = demo.places()[2].1.clone();
    // Its consumer joins the group in its own time.
    let started = Instant::now();
    while names(&json(&address).0).iter().any(|name| name.contains("group-members")) {
        assert!(started.elapsed() < WAIT_MAX, "nobody joins the group");
    }
    let said = doctor(&address, &[]);
    assert_eq!(said.exit_code, 0, "{}", said.text);
    let (report, exit_code) = json(&address);
    assert_eq!(exit_code, 0);
    let cluster = report["cluster"]["id"].as_str().expect("an id");
    let text = said.text.replace(&address, "ADDRESS").replace(cluster, "CLUSTER");
    insta::assert_snapshot!("demo", text);
    let port = report["cluster"]["brokers"][0]["port"].to_string();
    let json = serde_json::to_string_pretty(&report).expect("JSON");
    insta::assert_snapshot!(
        "demo_json",
        json.replace(&address, "ADDRESS").replace(cluster, "CLUSTER").replace(&port, "PORT")
    );
}

#[test]
fn a_cluster_without_topics_gets_told_how_to_make_them() {
    let home = tempfile::tempdir().expect("a directory");
    let mut broker = Process::broker(home.path(), &[]);
    let address = broker.address();
    let (report, exit_code) = json(&address);
    assert_eq!(exit_code, 0, "{report:#}");
    let missing = names(&report).iter().filter(|name| name.contains("topic-missing")).count();
    assert_eq!(missing, 3, "{report:#}");
}

/// Accepts connections and answers each as it is told, until the test ends.
fn listen(answer: impl Fn(TcpStream, &[u8]) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut first = [0; 512];
            let count = stream.read(&mut first).unwrap_or(0);
            answer(stream, &first[..count]);
        }
    });
    address
}

const TLS_ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 70];

#[test]
fn what_is_no_kafka_is_named() {
    let http = listen(|mut stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let short = listen(|mut stream, _| drop(stream.write_all(b"hi")));
    let closing = listen(|_, _| {});
    let alerting = listen(|mut stream, _| drop(stream.write_all(&TLS_ALERT)));
    // Java closes a TLS listener's connection without a word when it gets something else.
    let java = listen(|mut stream, first| {
        if first.starts_with(&[0x16, 3]) {
            let _ = stream.write_all(&TLS_ALERT);
        }
    });
    let check = |address: &str, expected: &str| {
        let said = doctor(address, &[]);
        assert_eq!(said.exit_code, 2, "{address}: {}", said.text);
        assert!(said.text.contains(expected), "{address}: {}", said.text);
    };
    check("127.0.0.1:1", "cannot be reached");
    check("name.invalid:9092", "cannot be resolved");
    check(&http.to_string(), "answers \"HTTP/1.1 400 Bad Request\"");
    check(&short.to_string(), "answers \"hi\"");
    check(&closing.to_string(), "does not answer");
    check(&alerting.to_string(), "speaks TLS, we speak plaintext");
    check(&java.to_string(), "speaks TLS, we speak plaintext");
}

#[test]
fn an_address_that_does_not_exist_here_is_named() {
    let home = tempfile::tempdir().expect("a directory");
    let mut broker =
        Process::broker(home.path(), &["--advertise", "kafka-0.kafka.svc.invalid:9092"]);
    let said = doctor(&broker.address(), &[]);
    assert_eq!(said.exit_code, 2, "{}", said.text);
    let expected = "broker 1: advertised.listeners = kafka-0.kafka.svc.invalid:9092, cannot be \
                    resolved";
    assert!(said.text.contains(expected), "{}", said.text);
}

#[test]
fn a_protocol_that_does_not_fit_is_said_plainly() {
    let home = tempfile::tempdir().expect("a directory");
    let mut broker = Process::broker(home.path(), &[]);
    let address = broker.address();
    let check = |properties: &[&str], expected: &[&str]| {
        let flags = properties.iter().flat_map(|property| ["--kafka-property", property]);
        let said = doctor(&address, &flags.collect::<Vec<_>>());
        assert_eq!(said.exit_code, 2, "{}", said.text);
        for expected in expected {
            assert!(said.text.contains(expected), "{expected}: {}", said.text);
        }
    };
    check(&["security.protocol=SSL"], &["speaks without TLS, we speak ssl", "leave --kafka-tls"]);
    check(
        &["security.protocol=sasl_plaintext", "sasl.mechanism=SCRAM-SHA-256"],
        &["wants no SASL", "leave --kafka-username"],
    );
    check(
        &["security.protocol=sasl_plaintext", "sasl.mechanism=PLAIN"],
        &["wants no SASL, we speak sasl_plaintext"],
    );
}
