//! The demo as a process: what it prints, how it stops, and what it says about a busy port.

use std::net::TcpListener;
use std::path::Path;

use crate::WAIT_MAX;
use crate::process::{ANY_PORT, Process};

fn body(url: &str) -> String {
    let agent = ureq::Agent::config_builder().timeout_global(Some(WAIT_MAX)).build().new_agent();
    let mut response = agent.get(url).call().expect("an answer");
    response.body_mut().read_to_string().expect("text")
}

fn counted(board: &str) -> u64 {
    let totals: serde_json::Value =
        serde_json::from_str(&body(&format!("{board}api/v1/totals"))).expect("JSON");
    totals["counted"].as_u64().expect("a number")
}

#[test]
fn the_demo_says_where_it_is_stops_in_order_and_keeps_its_data() {
    let home = tempfile::tempdir().expect("a directory");
    let flags =
        [&ANY_PORT[..], &["--partitions=2", "--ratings-per-hit=3", "--fsync=always"]].concat();
    let mut demo = Process::demo(home.path(), &flags);
    let places = demo.places();
    let names: Vec<&str> = places.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["producer", "board", "kafka", "data"]);
    assert_eq!(Path::new(&places[3].1), home.path().join(".local/share/erboh"));
    let page = body(&places[0].1);
    assert!(page.contains("3 ratings sent"), "{page}");
    assert!(page.contains(&format!(r#"href="{}""#, places[1].1)), "it links to the board: {page}");
    demo.terminate();
    assert_eq!(demo.exit_code(), Some(0), "{}", demo.errors());

    let mut again = Process::demo(home.path(), &flags);
    let board = again.places()[1].1.clone();
    assert_eq!(counted(&board), 3, "ready means that all that was sent is counted");
    again.terminate();
    assert_eq!(again.exit_code(), Some(0), "{}", again.errors());
}

#[test]
fn a_busy_port_is_named_with_the_flag_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    for flag in ["--producer-listen", "--consumer-listen", "--kafka-listen"] {
        let home = tempfile::tempdir().expect("a directory");
        let mut flags: Vec<String> = ANY_PORT.iter().map(|flag| (*flag).to_owned()).collect();
        flags.retain(|given| !given.starts_with(flag));
        flags.push(format!("{flag}=127.0.0.1:{port}"));
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let mut demo = Process::demo(home.path(), &flags);
        assert_eq!(demo.exit_code(), Some(1));
        let text = demo.errors();
        assert!(text.contains(&format!("port {port} on 127.0.0.1 is already used")), "{text}");
        assert!(text.contains(flag), "{text}");
    }
}

#[test]
fn all_busy_ports_are_said_at_once() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let ports = ["--kafka-listen", "--producer-listen", "--consumer-listen"];
    let flags = ports.map(|flag| format!("{flag}={address}"));
    let home = tempfile::tempdir().expect("a directory");
    let mut demo = Process::demo(home.path(), &flags.each_ref().map(String::as_str));
    assert_eq!(demo.exit_code(), Some(1));
    let text = demo.errors();
    assert!(ports.iter().all(|flag| text.contains(flag)), "{text}");
}

#[test]
fn a_directory_that_cannot_be_used_is_named_once_with_the_flag_that_changes_it() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let flags = [&ANY_PORT[..], &["--data-dir", file.to_str().expect("a text")]].concat();
    let mut demo = Process::demo(home.path(), &flags);
    assert_eq!(demo.exit_code(), Some(1));
    let text = demo.errors();
    assert_eq!(text.matches(&*file.to_string_lossy()).count(), 1, "{text}");
    assert!(text.contains("--data-dir"), "{text}");
}
