//! The server under the roles, on real sockets: how it stops, and what its ops port says meanwhile.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use erboh::consumer::view::{BoardView, PartitionState, PartitionView};
use erboh::ops::Stopping;
use erboh::web::server;
use erboh::{consumer, producer};
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::WAIT_MAX;
use crate::support::board;
use crate::support::broker::Broker;
use crate::support::producer::without_broker;
use crate::support::wait::until;

pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// Asks on a connection of its own, in a thread, and gives the whole answer.
pub(crate) async fn ask(address: SocketAddr, path: &str) -> String {
    ask_with(address, path, "").await
}

/// The same with more headers, each ending with `\r\n`.
pub(crate) async fn ask_with(address: SocketAddr, path: &str, headers: &str) -> String {
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
    let asking = move || {
        let mut socket = TcpStream::connect(address).expect("a connection");
        socket.set_read_timeout(Some(WAIT_MAX)).expect("a time-out");
        socket.write_all(request.as_bytes()).expect("the request is taken");
        let mut answer = String::new();
        // A connection that is cut off may say so as an error; what arrived counts.
        let _ = socket.read_to_string(&mut answer);
        answer
    };
    tokio::task::spawn_blocking(asking).await.expect("the asking thread")
}

/// A service whose only answer takes until somebody lets it go.
struct Slow {
    address: SocketAddr,
    entered: Arc<Notify>,
    release: Arc<Notify>,
    shutdown: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

async fn slow(drain: Duration) -> Slow {
    let (listener, address) = listen().await;
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, wait) = (Arc::clone(&entered), Arc::clone(&release));
    let answer = move || async move {
        enter.notify_one();
        wait.notified().await;
        "done"
    };
    let router = Router::new().route("/", get(answer));
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let serving =
        async move { server::serve(listener, router, &Gauge::default(), stop, drain).await };
    let server = tokio::spawn(serving);
    Slow { address, entered, release, shutdown, server }
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_takes_no_new_ones() {
    let Slow { address, entered, release, shutdown, server } = slow(WAIT_MAX).await;
    let asked = tokio::spawn(ask(address, "/"));
    // A connection without a request must not hold up the stop.
    let idle = TcpStream::connect(address).expect("a connection");
    entered.notified().await;
    shutdown.cancel();
    let refused = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, refused).await.expect("the port closes");
    release.notify_one();
    let answer = asked.await.expect("an answer");
    assert!(answer.ends_with("done"), "{answer}");
    tokio::time::timeout(WAIT_MAX, server).await.expect("the server ends").expect("its task");
    drop(idle);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_cut_off() {
    let Slow { address, entered, shutdown, server, .. } = slow(Duration::from_millis(20)).await;
    let asked = tokio::spawn(ask(address, "/"));
    entered.notified().await;
    shutdown.cancel();
    tokio::time::timeout(WAIT_MAX, server).await.expect("the server ends").expect("its task");
    assert_eq!(asked.await.expect("the connection ends"), "");
}

/// Headers that are too many or too large are refused as all else is: by a problem that is logged and counted.
#[tokio::test]
async fn headers_have_limits_that_are_told() {
    let ((listener, address), (ops, ops_address)) = (listen().await, listen().await);
    let shutdown = CancellationToken::new();
    let role = producer::serve(listener, Some(ops), without_broker(), shutdown.clone());
    let serving = tokio::spawn(role);
    // Two more are sent with every request.
    let lines = |count: usize| "x-a: b\r\n".repeat(count - 2);
    assert!(ask_with(address, "/health", &lines(100)).await.starts_with("HTTP/1.1 200"));
    let refused = async |headers: &str, found: &str| {
        let answer = ask_with(address, "/health", headers).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert!(answer.contains("\r\nx-request-id: ") && answer.contains(found), "{answer}");
        assert!(answer.contains(r#""code":"headers-too-large""#), "{answer}");
    };
    refused(&lines(101), "this one has 101 with").await;
    refused(&lines(200), "this one has 200 with").await;
    let metrics = ask(ops_address, "/metrics").await;
    let counted = "erboh_http_problems_total{code=\"headers-too-large\"} 2\n";
    assert!(metrics.contains(counted), "{metrics}");
    // What the server need not read to its end may have no more than the status.
    for headers in [lines(201), format!("x-a: {}\r\n", "b".repeat(64 * 1024))] {
        let unread = ask_with(address, "/health", &headers).await;
        assert!(unread.starts_with("HTTP/1.1 431 "), "{unread}");
    }
    shutdown.cancel();
    tokio::time::timeout(WAIT_MAX, serving).await.expect("the role ends").expect("its task");
}

#[tokio::test]
async fn the_producers_ops_port_tells_the_truth() {
    let ((listener, _), (ops, address)) = (listen().await, listen().await);
    let shutdown = CancellationToken::new();
    let role = producer::serve(listener, Some(ops), without_broker(), shutdown.clone());
    let serving = tokio::spawn(role);
    assert!(ask(address, "/livez").await.starts_with("HTTP/1.1 200"));
    let ready = ask(address, "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("not ready: "), "{ready}");
    let metrics = ask(address, "/metrics").await;
    assert!(metrics.contains("erboh_producer_connected 0\n"), "{metrics}");
    shutdown.cancel();
    tokio::time::timeout(WAIT_MAX, serving).await.expect("the role ends").expect("its task");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_has_reached_its_queue_stays_ready_without_it() {
    let mut broker = Broker::start().await;
    let ((listener, page), (ops, address)) = (listen().await, listen().await);
    let shutdown = CancellationToken::new();
    let role = producer::serve(listener, Some(ops), broker.role(), shutdown.clone());
    let serving = tokio::spawn(role);
    let becomes = async |end: &str| {
        until(end, async || ask(address, "/readyz").await.contains(end).then_some(())).await;
    };
    becomes("\r\n\r\nready\n").await;
    broker.halt().await;
    becomes("ready\ntrouble: no broker of ").await;
    assert!(ask(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(ask(page, "/").await.starts_with("HTTP/1.1 503"), "the page says so");
    broker.serve().await;
    until("no trouble", async || {
        ask(address, "/readyz").await.ends_with("\nready\n").then_some(())
    })
    .await;
    shutdown.cancel();
    tokio::time::timeout(WAIT_MAX, serving).await.expect("the role ends").expect("its task");
}

#[tokio::test]
async fn the_consumer_is_ready_once_complete_until_it_stops() {
    let ((listener, _), (ops, address)) = (listen().await, listen().await);
    let stopping = Stopping { wait: WAIT_MAX, drain: WAIT_MAX };
    let settings = consumer::Settings { stopping, ..board::settings() };
    let (sender, view) = watch::channel(Arc::new(BoardView::default()));
    let shutdown = CancellationToken::new();
    let alive = Arc::new(AtomicBool::new(true));
    let engine = Arc::clone(&alive);
    let live = Arc::new(move || {
        let is_alive = engine.load(Ordering::Relaxed);
        is_alive.then_some(()).ok_or_else(|| "a thread has ended".to_owned())
    });
    let role = consumer::serve(listener, Some(ops), settings, view, live, shutdown.clone());
    let serving = tokio::spawn(role);
    let show = |caught_up: bool, state: PartitionState| {
        let (position, end_offset, writer) = (4, 9, "replica-a".to_owned());
        let view = PartitionView { partition: 0, position, end_offset, lag: 5, state, writer };
        let partitions = vec![view];
        sender.send_replace(Arc::new(BoardView { partitions, caught_up, ..BoardView::default() }));
    };
    let check = async |status: &str, text: &str| {
        let ready = ask(address, "/readyz").await;
        assert!(
            ready.starts_with(&format!("HTTP/1.1 {status}")) && ready.contains(text),
            "{ready}"
        );
    };
    check("503", "the partitions are not known yet").await;
    show(false, PartitionState::Elsewhere);
    check("503", "what has been counted before is still being read").await;
    show(true, PartitionState::Restoring);
    check("503", "partition 0 is being taken over").await;
    show(true, PartitionState::Owned);
    check("200", "ready").await;
    show(true, PartitionState::Restoring);
    check("200", "ready\n").await;
    show(true, PartitionState::Halted("the log was replaced".to_owned()));
    check("200", "ready\ntrouble: partition 0 is halted: the log was replaced\n").await;
    show(true, PartitionState::Stalled("offset 4 cannot be read".to_owned()));
    check("200", "ready\ntrouble: partition 0 is stalled: offset 4 cannot be read\n").await;
    show(true, PartitionState::Owned);
    sender.send_modify(|view| {
        let problem = Some("no broker of kafka:9092 is reachable".to_owned());
        *view = Arc::new(BoardView { problem, connected: false, ..(**view).clone() });
    });
    check("200", "ready\ntrouble: no broker of kafka:9092 is reachable\n").await;
    let metrics = ask(address, "/metrics").await;
    assert!(metrics.contains("erboh_consumer_lag_records{partition=\"0\"} 5"), "{metrics}");
    assert!(ask(address, "/livez").await.ends_with("\r\n\r\nalive\n"));
    alive.store(false, Ordering::Relaxed);
    let dead = ask(address, "/livez").await;
    assert!(dead.starts_with("HTTP/1.1 503") && dead.contains("a thread has ended"), "{dead}");
    check("503", "not ready: a thread has ended").await;
    shutdown.cancel();
    check("503", "stopping").await;
    serving.abort();
}
