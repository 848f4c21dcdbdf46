use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const PATIENCE: Duration = Duration::from_mins(1);

/// More than the kernel holds of an answer that its client does not read.
const LARGE_BYTES: usize = 32 * 1024 * 1024;

/// A server with so many places, and a token that ends it.
async fn serve_with(places: usize) -> (SocketAddr, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (places, shutdown) = (Places::new(places), CancellationToken::new());
    let router = Router::new()
        .route("/", axum::routing::get(|| async { "an answer" }))
        .route("/large", axum::routing::get(|| async { vec![b'a'; LARGE_BYTES] }));
    let server = serve_in(places, listener, router, shutdown.clone(), PATIENCE);
    drop(tokio::spawn(server));
    (address, shutdown)
}

async fn send(socket: &mut TcpStream, request: &str) -> String {
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with("an answer") {
        let mut part = [0; 4096];
        let read = tokio::time::timeout(PATIENCE, socket.read(&mut part)).await.unwrap().unwrap();
        if read == 0 {
            break;
        }
        answer.push_str(std::str::from_utf8(&part[..read]).unwrap());
    }
    answer
}

/// Waits for the server to close a connection.
async fn closed(socket: &mut TcpStream) {
    // A reset is an end, too.
    let _ = tokio::time::timeout(PATIENCE, socket.read(&mut [0; 64])).await.expect("it ends");
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn idle_connections_make_room() {
    let (address, _stop) = serve_with(3).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx-").await.unwrap();
    let mut kept_alive = TcpStream::connect(address).await.unwrap();
    assert!(send(&mut kept_alive, GET).await.ends_with("an answer"));
    let mut new = Vec::new();
    for oldest in [&mut silent, &mut slow, &mut kept_alive] {
        let mut another = TcpStream::connect(address).await.unwrap();
        assert!(send(&mut another, GET).await.ends_with("an answer"));
        closed(oldest).await;
        new.push(another);
    }
    for kept in &mut new {
        assert!(send(kept, GET).await.ends_with("an answer"), "only the oldest left");
    }
}

#[tokio::test]
async fn who_still_takes_an_answer_is_not_idle() {
    let (address, _stop) = serve_with(2).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    slow.read_exact(&mut [0; 1]).await.unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    assert!(send(&mut idle, GET).await.ends_with("an answer"));
    let mut next = TcpStream::connect(address).await.unwrap();
    assert!(send(&mut next, GET).await.ends_with("an answer"));
    closed(&mut idle).await;
    let mut last = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(slow.read_u8().await.unwrap());
    }
    // The head is read; the rest is there although a place was needed twice.
    assert!(send(&mut last, GET).await.ends_with("an answer"));
    let mut rest = vec![0; LARGE_BYTES];
    tokio::time::timeout(PATIENCE, slow.read_exact(&mut rest))
        .await
        .unwrap()
        .expect("the whole answer");
}

#[tokio::test]
async fn headers_have_a_largest_size() {
    let (address, _stop) = serve_with(1).await;
    let check = async |bytes: usize, status: &str| {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\nx-a: {}\r\n\r\n", "a".repeat(bytes));
        let answer = send(&mut socket, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{bytes}: {answer}");
    };
    check(8 * 1024, "200").await;
    check(2 * limits::CONNECTION_BUFFER_BYTES, "431").await;
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let (address, _stop) = serve_with(1).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    // Much more than the kernel holds, to a route that reads no body.
    let body = vec![b'a'; 16 * 1024 * 1024];
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
    let (mut reading, mut writing) = socket.split();
    let sending = async {
        writing.write_all(head.as_bytes()).await.unwrap();
        // It may fail when the server has waited long enough, and has been answered by then.
        let _ = writing.write_all(&body).await;
    };
    let answering = async {
        let mut answer = [0; 4096];
        let read = tokio::time::timeout(PATIENCE, reading.read(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer[..read.unwrap()]).into_owned()
    };
    let ((), answer) = tokio::join!(sending, answering);
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

#[test]
fn the_limit_of_open_files_is_found() {
    let text =
        "Max processes  1  1  processes\nMax open files            1024     524288    files\n";
    assert_eq!(open_files_max(text), Some(1024));
    assert_eq!(open_files_max("Max open files  unlimited  unlimited  files"), None);
    assert_eq!(open_files_max(""), None);
}
