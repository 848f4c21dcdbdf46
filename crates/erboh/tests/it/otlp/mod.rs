//! Traces as a collector receives them, from the real binary over OTLP.

mod collector;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use erboh::queue::{KafkaSettings, OutRecord, Reader, Topics, Writer};

use self::collector::{Collector, Span};
use crate::WAIT_MAX;
use crate::process::{ANY_PORT, Process};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT: &str = "00f067aa0ba902b7";
const RATING: &str = r#"{"battle":"a vs b","voice1":"a","voice2":"b","rating":2}"#;

/// The kinds of spans, as OTLP numbers them.
const SERVER: u64 = 2;
const PRODUCER: u64 = 4;
const CONSUMER: u64 = 5;

fn place(places: &[(String, String)], name: &str) -> String {
    let (_, place) = places.iter().find(|(found, _)| found == name).expect("a place of that name");
    place.trim_start_matches("http://").trim_end_matches('/').to_owned()
}

/// Sends a rating in the client's trace, and gives the whole answer.
fn rate(producer: &str) -> String {
    let mut socket = TcpStream::connect(producer).expect("a connection");
    socket.set_read_timeout(Some(WAIT_MAX)).expect("a time-out");
    let request = format!(
        "POST /api/v1/ratings HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\
         traceparent: 00-{TRACE}-{CLIENT}-01\r\ntracestate: a=1\r\n\r\n{RATING}",
        RATING.len()
    );
    socket.write_all(request.as_bytes()).expect("the request is taken");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Every value of that header in a topic of the demo.
fn header_values(kafka: &KafkaSettings, topic: &str, name: &str) -> Vec<String> {
    let reader = Reader::for_ranges(kafka, "test").expect("a reader");
    let mut found = Vec::new();
    for partition in 0..6 {
        let range = reader.watermarks(topic, partition).expect("the partition is there");
        let each = |record: &erboh::queue::Record<'_>| {
            let value =
                record.header(name).map(|value| String::from_utf8_lossy(value).into_owned());
            found.extend(value);
        };
        reader.range(topic, partition, range, each).expect("the records can be read");
    }
    found
}

/// Waits until the demo has written a dead letter.
fn until_dead_letter(kafka: &KafkaSettings) {
    let topic = Topics::default().dead_letters;
    let started = Instant::now();
    while header_values(kafka, &topic, "reason").is_empty() {
        assert!(started.elapsed() < WAIT_MAX, "the dead letter was never written");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn of_kind(spans: &[Span], kind: u64, name: &str) -> Span {
    let is_wanted = |span: &&Span| span.kind == kind && span.name == name;
    spans.iter().find(is_wanted).unwrap_or_else(|| panic!("no {name} in {spans:#?}")).clone()
}

#[test]
fn a_trace_leads_from_the_client_through_the_producer_into_the_record() {
    let (collector, home) = (Collector::start(), tempfile::tempdir().expect("a directory"));
    let endpoint = format!("--otlp-endpoint=http://{}", collector.address());
    let mut demo = Process::demo(home.path(), &[&ANY_PORT[..], &[&*endpoint]].concat());
    let places = demo.places();
    let answer = rate(&place(&places, "producer"));
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let kafka = KafkaSettings::new(place(&places, "kafka"));
    let topic = Topics::default().ratings;
    let parents = header_values(&kafka, &topic, "traceparent");
    assert_eq!(header_values(&kafka, &topic, "tracestate"), ["a=1"]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let writer = Writer::connect(&kafka, &topic).expect("a writer");
        let parent = ("traceparent".to_owned(), format!("00-{TRACE}-{CLIENT}-01").into_bytes());
        let bad = OutRecord { headers: vec![parent], ..OutRecord::new("bad", "no rating") };
        assert!(writer.send(vec![bad], WAIT_MAX).await.iter().all(Result::is_ok));
    });
    until_dead_letter(&kafka);
    demo.terminate();
    assert_eq!(demo.exit_code(), Some(0), "{}", demo.errors());

    let spans = collector.spans();
    let server = of_kind(&spans, SERVER, "POST /api/v1/ratings");
    assert_eq!((&*server.trace, &*server.parent), (TRACE, CLIENT));
    assert_eq!(server.numbers["http.response.status_code"], 201);
    assert_eq!(server.texts["http.route"], "/api/v1/ratings");
    assert_eq!(parents, [format!("00-{TRACE}-{}-01", server.id)], "the record is in our step");
    let send = of_kind(&spans, PRODUCER, "send erboh-ratings");
    assert_eq!((&*send.trace, &send.parent), (TRACE, &server.id));
    assert_eq!(send.numbers["messaging.batch.message_count"], 1);
    let dead = of_kind(&spans, CONSUMER, "process erboh-ratings");
    assert_eq!(dead.links, [(TRACE.to_owned(), CLIENT.to_owned())]);
    assert_ne!(dead.trace, TRACE);
    assert_eq!(collector.services(), ["erboh-demo"]);
}

#[test]
fn a_collector_that_is_away_costs_one_line() {
    let home = tempfile::tempdir().expect("a directory");
    let flags = [&ANY_PORT[..], &["--otlp-endpoint=http://127.0.0.1:1"]].concat();
    let mut demo = Process::demo(home.path(), &flags);
    let producer = place(&demo.places(), "producer");
    for _ in 0..3 {
        let answer = rate(&producer);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    demo.terminate();
    assert_eq!(demo.exit_code(), Some(0), "{}", demo.errors());
    assert_eq!(demo.errors().matches("traces are lost").count(), 1, "{}", demo.errors());
}
