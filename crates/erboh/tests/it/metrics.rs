//! The numbers that the services show: their names, and that the page about them is right.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use erboh::consumer::view::{BoardView, PartitionState, PartitionView, Written};
use erboh::totals::board::Board;
use erboh::totals::{PartitionTotals, Record};
use erboh::{consumer, producer};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::WAIT_MAX;
use crate::server::{ask, ask_with, listen};
use crate::support::board;
use crate::support::producer::without_broker;

/// What is said of a metric: its type, and the names of its labels.
#[derive(Debug, PartialEq, Eq)]
struct About {
    kind: String,
    labels: BTreeSet<String>,
}

type Metrics = BTreeMap<String, About>;

/// Starts a role, asks it for something that is there and something that is not, and reads its
/// metrics: each by the name that its series have.
async fn shown<F: Future<Output = ()> + Send + 'static>(
    role: impl FnOnce(tokio::net::TcpListener, tokio::net::TcpListener, CancellationToken) -> F,
) -> Metrics {
    let ((service, address), (ops, ops_address)) = (listen().await, listen().await);
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(role(service, ops, shutdown.clone()));
    ask(address, "/health").await;
    ask(address, "/nothing-here").await;
    let text = answered(ops_address).await;
    shutdown.cancel();
    tokio::time::timeout(WAIT_MAX, serving).await.expect("the role ends").expect("its task");
    parse(&text)
}

async fn answered(ops: SocketAddr) -> String {
    let answer = ask_with(ops, "/metrics", "accept: application/openmetrics-text\r\n").await;
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    answer
}

/// The series of an exposition, without their values.
fn series(text: &str) -> BTreeSet<&str> {
    let lines =
        text.lines().filter(|line| line.starts_with("erboh_") || line.starts_with("process_"));
    lines.map(|line| line.rsplit_once(' ').expect("a value").0).collect()
}

/// The names of all series that the text format declares, by its own rules: only a histogram's differ
/// from the name that is declared.
fn declared(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for declared in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = declared.split_once(' ').expect("a name and a type");
        let help = format!("# HELP {name} ");
        assert!(text.lines().any(|line| line.starts_with(&help)), "{help} in\n{text}");
        match kind {
            "counter" => assert!(name.ends_with("_total"), "{declared}"),
            "gauge" => {}
            "histogram" => {
                names.extend(["_bucket", "_sum", "_count"].map(|ending| format!("{name}{ending}")));
                continue;
            }
            _ => panic!("no type of the text format: {declared}"),
        }
        names.insert(name.to_owned());
    }
    names
}

/// Reads the text of `/metrics`. The declared name lacks the ending that a type gives to its series.
fn parse(text: &str) -> Metrics {
    let mut metrics = Metrics::new();
    for declared in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = declared.split_once(' ').expect("a name and a type");
        let ending = match kind {
            "counter" => "_total",
            "histogram" => "_count",
            _ => "",
        };
        let series = text.lines().find_map(|line| line.strip_prefix(&format!("{name}{ending}{{")));
        let labels = series.map_or("", |line| line.split('}').next().unwrap_or(""));
        // No value of a label in this test has a comma or an equals sign.
        let labels = labels.split(',').filter_map(|label| label.split_once('='));
        let labels = labels.map(|(name, _)| name.to_owned()).collect();
        let name = if kind == "histogram" { name.to_owned() } else { format!("{name}{ending}") };
        metrics.insert(name, About { kind: kind.to_owned(), labels });
    }
    metrics
}

/// The rows of the page's tables below that heading.
fn documented(heading: &str) -> Metrics {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/observability.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let section = page.split(&format!("### {heading}\n")).nth(1).expect("the heading");
    let section = section.split("\n## ").next().and_then(|text| text.split("\n### ").next());
    let rows = section.expect("a section").lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let labels = cells[2].split(", ").filter(|label| !label.is_empty());
        let labels = labels.map(str::to_owned).collect();
        (cells[0].to_owned(), About { kind: cells[1].to_owned(), labels })
    })
    .collect()
}

/// A view with one partition, so that every family of the board has a series.
fn view() -> BoardView {
    let state = PartitionState::Owned;
    let (position, end_offset, writer) = (4, 9, "replica-a".to_owned());
    let partition = PartitionView { partition: 0, position, end_offset, lag: 5, state, writer };
    let mut totals = PartitionTotals::start(0, 0);
    let value = Some(b"A vs B|A|B|1".as_slice());
    totals.apply(Record { offset: 0, timestamp_ms: 0, key: None, value });
    let mut board = Board::new();
    board.merge(totals.snapshot("replica-a", 1));
    let written = Written { epoch: 0, next_offset: 4, timestamp_ms: 1_500 };
    let written = BTreeMap::from([(0, written)]);
    BoardView { partitions: vec![partition], board, written, ..BoardView::default() }
}

#[tokio::test]
async fn a_scraper_gets_the_format_that_it_accepts() {
    let ((service, address), (ops, ops_address)) = (listen().await, listen().await);
    let shutdown = CancellationToken::new();
    let role = producer::serve(service, Some(ops), without_broker(), shutdown.clone());
    let serving = tokio::spawn(role);
    ask(address, "/nothing-here").await;
    let open_metrics = answered(ops_address).await;
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(open_metrics.contains(kind), "{open_metrics}");
    for accept in [
        "",
        "accept: */*\r\n",
        "accept: text/plain;version=0.0.4\r\n",
        "accept: text/plain;version=0.0.4;q=1,*/*;q=0.1\r\n",
        "accept: application/openmetrics-text;q=0.5, text/plain;q=0.7\r\n",
    ] {
        let text = ask_with(ops_address, "/metrics", accept).await;
        let kind = "content-type: text/plain; version=0.0.4; charset=utf-8\r\n";
        assert!(text.contains(kind) && text.contains("vary: accept\r\n"), "{accept}{text}");
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{accept}{text}");
        assert_eq!(series(&text), series(&open_metrics), "{accept}");
        let names: BTreeSet<_> = series(&text)
            .iter()
            .map(|series| series.split('{').next().expect("a name").to_owned())
            .collect();
        let declared = declared(&text);
        let undeclared: Vec<_> = names.difference(&declared).collect();
        assert!(undeclared.is_empty(), "{undeclared:?} in\n{text}");
        let build = format!("erboh_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&build), "{text}");
    }
    shutdown.cancel();
    tokio::time::timeout(WAIT_MAX, serving).await.expect("the role ends").expect("its task");
}

#[tokio::test]
async fn every_metric_is_on_the_page_and_every_one_on_the_page_is_shown() {
    let check = |shown: &Metrics, role: &str| {
        let mut expected = documented("Both services");
        expected.extend(documented(role));
        assert_eq!(shown, &expected, "left: shown, right: docs/observability.md");
    };
    let role = without_broker();
    let numbers = shown(|service, ops, stop| producer::serve(service, Some(ops), role, stop)).await;
    check(&numbers, "The producer");
    let settings = board::settings();
    let (_sender, view) = watch::channel(Arc::new(view()));
    let numbers = shown(|service, ops, stop| {
        consumer::serve(service, Some(ops), settings, view, Arc::new(|| Ok(())), stop)
    })
    .await;
    check(&numbers, "The consumer");
}
