//! Hostile connections: lengths, halves, garbage, and very many.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use erboh_broker::Settings;
use kafka_protocol::messages::ApiVersionsRequest;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::support::{Running, settings};

async fn is_alive(broker: &Running) -> bool {
    let response = broker.client().await.call(&ApiVersionsRequest::default(), 0).await;
    response.error_code == 0
}

#[tokio::test]
async fn what_is_no_request_closes_its_connection() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let check = async |bytes: &[u8]| {
        let mut client = broker.client().await;
        client.stream.write_all(bytes).await.unwrap();
        assert!(client.is_closed().await, "{bytes:?}");
    };
    check(&[0x7f, 0xff, 0xff, 0xff]).await;
    check(&[0xff, 0xff, 0xff, 0xff]).await;
    check(&[0, 0, 0, 0]).await;
    check(&[0, 0, 0, 7, 0, 18, 0, 0, 0, 0, 0]).await;
    check(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    // API key 999; Metadata version 99; Metadata that announces two billion topics.
    check(&[0, 0, 0, 10, 3, 231, 0, 0, 0, 0, 0, 1, 0, 0]).await;
    check(&[0, 0, 0, 10, 0, 3, 0, 99, 0, 0, 0, 1, 0, 0]).await;
    check(&[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0, 0, 0x7f, 0xff, 0xff, 0xff]).await;
    assert!(is_alive(&broker).await);
    broker.stop().await;
}

#[tokio::test]
async fn half_requests_wait_for_the_other_half() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 0, 255, 255];
    for byte in request {
        client.stream.write_all(&[byte]).await.unwrap();
    }
    let response = client.receive::<kafka_protocol::messages::ApiVersionsResponse>(0).await;
    assert_eq!(response.error_code, 0);
    // Left in the middle.
    for end in 0..request.len() {
        let mut client = broker.client().await;
        client.stream.write_all(&request[..end]).await.unwrap();
    }
    assert!(is_alive(&broker).await);
    broker.stop().await;
}

#[tokio::test]
async fn a_connection_too_many_is_closed_at_once() {
    let data = tempfile::tempdir().unwrap();
    let broker =
        Running::start_with(Settings { max_connections: 2, ..settings(data.path()) }).await;
    let (mut first, mut second) = (broker.client().await, broker.client().await);
    for client in [&mut first, &mut second] {
        assert_eq!(client.call(&ApiVersionsRequest::default(), 0).await.error_code, 0);
    }
    assert!(broker.client().await.is_closed().await);
    drop(first);
    // The place becomes free once the broker has seen the close.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let mut third = broker.client().await;
        third.send(&ApiVersionsRequest::default(), 0).await;
        if !third.is_closed().await {
            break;
        }
        assert!(Instant::now() < deadline, "the place did not become free");
        sleep(Duration::from_millis(10)).await;
    }
    broker.stop().await;
}

/// Set for the process that runs the test below by itself: how many files it may open.
const FILES: &str = "ERBOH_TEST_OPEN_FILES";

/// Ten thousand clients connect, send part of a large request, and stay. It runs in a process of
/// its own: with as many open files as the system allows, and with only its own memory.
#[test]
fn ten_thousand_connections_cost_little() {
    if let Some(files) = std::env::var_os(FILES) {
        let files = files.to_str().and_then(|text| text.parse().ok()).unwrap_or(20_000);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(crowd(files));
    }
    let script = format!(
        "for files in 20500 $(ulimit -H -n) 10240 4096; do \
         ulimit -n $files 2>/dev/null && break; done; \
         {FILES}=$(ulimit -n) exec \"$0\" \
         --exact sockets::ten_thousand_connections_cost_little --nocapture"
    );
    let mut shell = Command::new("sh");
    let status =
        shell.arg("-c").arg(script).arg(std::env::current_exe().unwrap()).status().unwrap();
    assert!(status.success(), "see above");
}

async fn crowd(files: usize) {
    // Each connection has two ends in this process; some files are for everything else.
    let count = (files.saturating_sub(400) / 2).min(10_000);
    assert!(count >= 1_000, "the limit of {files} open files leaves room for {count} connections");
    let data = tempfile::tempdir().unwrap();
    let broker =
        Running::start_with(Settings { max_connections: 10_000, ..settings(data.path()) }).await;
    assert!(is_alive(&broker).await);
    let before = resident_bytes();
    let mut crowd = Vec::with_capacity(count);
    for _ in 0..count {
        crowd.push(connect(&broker).await);
    }
    // All say that 50 MB follow, and send the first kilobytes.
    let mut half = vec![0; 3_000];
    half[..4].copy_from_slice(&50_000_000i32.to_be_bytes());
    for stream in &mut crowd {
        // The broker may have closed it already, which is its right.
        let _ = stream.write_all(&half).await;
    }
    let per_connection = resident_bytes().saturating_sub(before) / count as u64;
    println!("{count} connections, {per_connection} bytes each");
    assert!(per_connection < 32 * 1024, "{per_connection} bytes for each connection");
    drop(crowd);
    // It serves others as soon as there are places again.
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let mut client = broker.client().await;
        client.send(&ApiVersionsRequest::default(), 0).await;
        if !client.is_closed().await {
            break;
        }
        assert!(Instant::now() < deadline, "the broker does not recover");
        sleep(Duration::from_millis(10)).await;
    }
    broker.stop().await;
}

async fn connect(broker: &Running) -> TcpStream {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match TcpStream::connect(broker.address).await {
            Ok(stream) => return stream,
            // The queue of the listening socket is full for a moment.
            Err(error) => assert!(Instant::now() < deadline, "no connection: {error}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Memory of this process, from where the system keeps it.
fn resident_bytes() -> u64 {
    let kib = |text: &str| text.split_whitespace().next()?.parse::<u64>().ok();
    let found = if let Ok(status) = std::fs::read_to_string(Path::new("/proc/self/status")) {
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(kib)
    } else {
        let pid = std::process::id().to_string();
        let output = Command::new("ps").args(["-o", "rss=", "-p", &pid]).output();
        output.ok().and_then(|out| kib(&String::from_utf8_lossy(&out.stdout)))
    };
    found.expect("the system tells how much memory a process has") * 1024
}
