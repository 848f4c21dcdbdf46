//! The smoke test through the services, as a process beside a demo.

use crate::process::{ANY_PORT, Process, erboh};

/// Long enough for a demo that works, for tests that wait until it is over.
const SHORT: &str = "--time-limit-ms=3000";

/// A demo, and where its producer and its board are.
fn demo(flags: &[&str]) -> (Process, [String; 2], tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let mut demo =
        Process::demo(home.path(), &[&ANY_PORT[..], &["--partitions=1"], flags].concat());
    let places = demo.places();
    (demo, [places[0].1.clone(), places[1].1.clone()], home)
}

/// Runs the test, and gives its exit code and all that it says.
fn smoke(producer: &str, board: &str, flags: &[&str]) -> (i32, String) {
    let flags = [&["smoke", "--producer-url", producer, "--board-url", board], flags].concat();
    let output = erboh(flags);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

/// It must end so, and say all of this.
#[track_caller]
fn check(said: &(i32, String), exit_code: i32, words: &[&str]) {
    assert_eq!(said.0, exit_code, "{}", said.1);
    for word in words {
        assert!(said.1.contains(word), "`{word}` is not in: {}", said.1);
    }
}

#[test]
fn a_rating_goes_through_the_services_and_is_counted() {
    let (_demo, [producer, board], _home) = demo(&[]);
    let one = ["ok    rate     a rating is acknowledged, partition@offset 0@0 (", "pass in "];
    check(&smoke(&producer, &board, &[]), 0, &one);
    let other =
        ["partition@offset 0@1 (", "ok    count    the board has counted it, as one of 2 ("];
    check(&smoke(&producer, &board, &[]), 0, &other);
}

#[test]
fn what_does_not_work_is_named() {
    let (_demo, [producer, board], _home) = demo(&[]);
    let (_other, [_, other_board], _home) = demo(&[]);
    let nobody = "http://127.0.0.1:1";
    check(
        &smoke(nobody, &board, &[]),
        1,
        &["FAIL  rate     http://127.0.0.1:1/api", "is --producer-url reachable", "fail in "],
    );
    check(
        &smoke(&producer, nobody, &[]),
        1,
        &["ok    rate", "is --board-url reachable from here?"],
    );
    check(
        &smoke(&producer, &other_board, &[SHORT]),
        1,
        &["FAIL  count    partition 0 offset", "within the time limit", "the partition is owned"],
    );
    // A board takes no ratings.
    check(&smoke(&board, &board, &[]), 1, &["FAIL  rate", "status 404"]);
}

#[test]
fn where_a_token_is_asked_for_the_first_of_a_file_is_used() {
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (one, other) = ("0123456789abcdef", "fedcba9876543210");
    let tokens = file("tokens", &format!("# the lab\nlab:{one}\nother:{other}\n"));
    let (_demo, [producer, board], _home) = demo(&["--token-file", &tokens]);
    check(&smoke(&producer, &board, &["--token-file", &tokens]), 0, &["pass in "]);
    check(&smoke(&producer, &board, &[]), 1, &["FAIL  rate", "status 401", "--token-file names"]);
    let stranger = file("stranger", "lab:aaaaaaaaaaaaaaaa\n");
    check(&smoke(&producer, &board, &["--token-file", &stranger]), 1, &["status 401"]);
    let faulty = file("faulty", "lab\n");
    check(
        &smoke(&producer, &board, &["--token-file", &faulty]),
        2,
        &["faulty", "line 1: there is no"],
    );
    check(&smoke(&producer, &board, &["--token-file", "/nowhere/x"]), 2, &["/nowhere/x"]);
}

#[test]
fn one_address_alone_is_refused() {
    for flag in ["--producer-url", "--board-url"] {
        let output = erboh(["smoke", flag, "http://127.0.0.1:1"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}
