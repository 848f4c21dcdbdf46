//! From where: pages of other sites, and names that other sites gave to this machine.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::Method;
use erboh::consumer::view::BoardView;
use erboh::producer::access::Guard;
use erboh::{consumer, producer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{RATINGS, TOKEN, guard, lonely, post, send};
use crate::WAIT_MAX;
use crate::support::board::settings;

/// Sends these lines as the head of a request, and gives the first line of the answer.
async fn first_line(address: SocketAddr, head: &str) -> String {
    let asking = async {
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        let head = head.replace('\n', "\r\n") + "\r\nconnection: close\r\n\r\n";
        socket.write_all(head.as_bytes()).await.expect("the request is taken");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("an answer");
        answer.lines().next().unwrap_or_default().to_owned()
    };
    tokio::time::timeout(WAIT_MAX, asking).await.expect("an answer in time")
}

/// Serves a producer there until the guard of the test is dropped.
async fn serve(listen: &str, guard: Guard) -> (SocketAddr, DropGuard) {
    let listener = TcpListener::bind(listen).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let stop = CancellationToken::new();
    tokio::spawn(producer::serve(listener, None, lonely(guard), stop.clone()));
    (SocketAddr::from(([127, 0, 0, 1], port)), stop.drop_guard())
}

async fn status(address: SocketAddr, host: &str) -> String {
    let line = first_line(address, &format!("GET /health HTTP/1.1\nhost: {host}")).await;
    line.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn on_loopback_only_names_of_this_machine_are_answered() {
    let (address, _stop) = serve("127.0.0.1:0", Guard::open()).await;
    let port = address.port();
    for host in ["localhost", "127.0.0.1", "[::1]", "erboh.localhost"] {
        assert_eq!(status(address, &format!("{host}:{port}")).await, "200", "{host}");
    }
    assert_eq!(status(address, "LOCALHOST.").await, "200");
    assert_eq!(status(address, &format!("evil.example:{port}")).await, "421");
    assert_eq!(status(address, "127.0.0.1.evil.example").await, "421");
    assert_eq!(status(address, "").await, "400");
    let twice = "GET /health HTTP/1.1\nhost: localhost\nhost: localhost";
    assert!(first_line(address, twice).await.contains("400"));
    assert!(first_line(address, "GET /health HTTP/1.1\nx: y").await.contains("400"));
    assert!(first_line(address, "GET /health HTTP/1.0\nx: y").await.contains("200"));
    let target = "GET http://evil.example/health HTTP/1.1\nhost: localhost";
    assert!(first_line(address, target).await.contains("421"));
}

#[tokio::test]
async fn where_others_are_welcome_every_name_is_answered() {
    let welcome = [("0.0.0.0:0", Guard::open()), ("127.0.0.1:0", guard(&format!("lab:{TOKEN}")))];
    for (listen, guard) in welcome {
        let (address, _stop) = serve(listen, guard).await;
        assert_eq!(status(address, "ratings.example").await, "200", "{listen}");
        assert_eq!(status(address, "").await, "400", "{listen}");
    }
}

#[tokio::test]
async fn the_board_and_the_ops_port_have_the_same_rule() {
    let (board, ops) =
        (TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await);
    let (board, ops) = (board.expect("a port"), ops.expect("a port"));
    let addresses = [&board, &ops].map(|listener| listener.local_addr().expect("an address"));
    let (_sender, view) = watch::channel(Arc::new(BoardView::default()));
    let stop = CancellationToken::new();
    let alive = Arc::new(|| Ok(()));
    tokio::spawn(consumer::serve(board, Some(ops), settings(), view, alive, stop.clone()));
    let _stop = stop.drop_guard();
    for (address, path) in addresses.into_iter().zip(["/api/v1/totals", "/metrics"]) {
        let ask = async |host: &str| {
            first_line(address, &format!("GET {path} HTTP/1.1\nhost: {host}")).await
        };
        assert!(ask("localhost").await.contains("200"), "{path}");
        assert!(ask("evil.example").await.contains("421"), "{path}");
    }
}

#[tokio::test]
async fn no_other_site_can_send_anything() {
    let router = producer::router(lonely(Guard::open()));
    let host = ("host", "localhost:3000");
    for from in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "http://localhost:3001"),
        ("origin", "null"),
    ] {
        let accept = ("accept", "text/html");
        post(&router, &[host, from, accept]).await.problem(403, "cross-site");
        // Whatever the path and the method: no route has to remember it.
        for (method, path) in
            [(Method::POST, RATINGS), (Method::POST, "/rate"), (Method::DELETE, "/")]
        {
            send(&router, method, path, &[host, from]).await.problem(403, "cross-site");
        }
    }
    for from in [
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("origin", "http://localhost:3000"),
    ] {
        post(&router, &[host, from]).await.problem(422, "invalid-rating");
        assert_ne!(send(&router, Method::POST, "/rate", &[host, from]).await.status, 403);
    }
}

#[tokio::test]
async fn an_origin_is_compared_with_the_host_as_a_whole() {
    let (address, _stop) = serve("0.0.0.0:0", Guard::open()).await;
    let check = async |target: &str, host: &str, origin: &str, expected: &str| {
        let head = format!("POST {target} HTTP/1.1\nhost: {host}\norigin: {origin}");
        let head = head + "\ncontent-type: application/json\ncontent-length: 0";
        let line = first_line(address, &head).await;
        assert_eq!(line.split(' ').nth(1), Some(expected), "{target} {host} {origin}");
    };
    // An empty body is no JSON: 400 says that the request has reached its route.
    for (host, origin) in [
        ("erboh.example:3000", "http://erboh.example:3000"),
        ("ERBOH.example", "http://erboh.example"),
        ("erboh.example:80", "http://erboh.example"),
        ("erboh.example", "https://erboh.example:443"),
        ("[::1]:3000", "http://[::1]:3000"),
    ] {
        check(RATINGS, host, origin, "400").await;
    }
    for origin in [
        "http://evil.example:3000",
        "http://evil.erboh.example:3000",
        "http://evil-erboh.example:3000",
        "http://erboh.example:3000.evil.example",
        "http://erboh.example.evil.example:3000",
        "http://erboh.example:3000@evil.example",
        "http://me@erboh.example:3000",
        "http://erboh.example:30001",
        "http://erboh.example",
        "http://:3000",
        "chrome-extension://erboh.example:3000",
        "erboh.example:3000",
        "http://erboh.example:3000 http://evil.example",
    ] {
        check(RATINGS, "erboh.example:3000", origin, "403").await;
    }
    // Port 80 goes without saying for http only, and the other way round.
    check(RATINGS, "erboh.example:80", "https://erboh.example", "403").await;
    check(RATINGS, "erboh.example", "http://erboh.example:443", "403").await;
    // A target in absolute form counts more than the header Host.
    let target = format!("http://erboh.example{RATINGS}");
    check(&target, "evil.example", "http://erboh.example", "400").await;
    check(&target, "evil.example", "http://evil.example", "403").await;
}
