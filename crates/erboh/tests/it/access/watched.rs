//! The token file of a process: what it must be at the start, and that changes of it take effect.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::{OTHER, RATINGS, TOKEN};
use crate::WAIT_MAX;
use crate::process::{Process, erboh};
use crate::support::wait::{becomes, eventually};

const ANY_PORT: [&str; 3] =
    ["--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0", "--brokers=127.0.0.1:1"];

/// A producer without a queue that says everything it can.
struct Producer {
    process: Process,
    url: String,
    ops: String,
}

impl Producer {
    fn start(home: &Path, tokens: &Path) -> Self {
        Self::with(home, &format!("--token-file={}", tokens.display()))
    }

    fn with(home: &Path, flag: &str) -> Self {
        let flags = [&ANY_PORT[..], &[flag, "--log-filter=trace"]].concat();
        let process = Process::start("producer", home, &flags);
        let (url, ops) = eventually("the start", || {
            let log = process.errors();
            let mut words = log.split("http://").skip(1).filter_map(|rest| rest.split_once('/'));
            let urls = words.next().zip(words.next());
            urls.map(|((url, _), (ops, _))| (format!("http://{url}"), format!("http://{ops}")))
        });
        Self { process, url, ops }
    }

    /// The status of a rating that is none: 422 for whoever may write.
    fn status(&self, header: &str, value: &str) -> u16 {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(WAIT_MAX))
            .http_status_as_error(false)
            .build()
            .new_agent();
        let request = agent.post(format!("{}{RATINGS}", self.url));
        let request = request.header("content-type", "application/json");
        request.header(header, value).send("{}").expect("an answer").status().as_u16()
    }

    fn admits(&self, token: &str) -> bool {
        match self.status("authorization", &format!("Bearer {token}")) {
            422 => true,
            401 => false,
            other => panic!("{other}"),
        }
    }

    /// Checks that this is a whole line of the metrics.
    fn shows(&self, expected: &str) {
        let metrics = self.metrics();
        assert!(metrics.lines().any(|line| line == expected), "{expected} is not in {metrics}");
    }

    fn metrics(&self) -> String {
        let mut answer = ureq::get(format!("{}/metrics", self.ops)).call().expect("metrics");
        answer.body_mut().read_to_string().expect("text")
    }
}

/// A file that only its owner can read.
fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("the file is written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode is set");
}

#[test]
fn a_changed_file_takes_effect_and_a_bad_one_does_not() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("tokens");
    write(&file, &format!("lab:{TOKEN}\n"));
    let producer = Producer::start(home.path(), &file);
    assert!(producer.admits(TOKEN) && !producer.admits(OTHER));

    write(&file, &format!("lab:{OTHER}\n"));
    becomes("the change", || producer.admits(OTHER));
    assert!(!producer.admits(TOKEN), "a token that was removed works no more");

    write(&file, &format!("lab:{TOKEN}\nlib:short\n"));
    let fault = "line 2: the token has 5 bytes";
    becomes("the complaint", || producer.process.errors().contains(fault));
    assert!(producer.admits(OTHER) && !producer.admits(TOKEN), "the tokens of before go on");
    producer.shows("erboh_producer_token_file_faulty 1");

    fs::remove_file(&file).expect("the file is removed");
    becomes("the complaint", || producer.process.errors().contains("No such file"));
    assert!(producer.admits(OTHER), "the tokens of before go on");

    write(&file, &format!("lab:{TOKEN}\nlib:{OTHER}{TOKEN}\n"));
    becomes("the repair", || producer.admits(TOKEN));
    producer.shows("erboh_producer_token_file_faulty 0");
    producer.shows("erboh_producer_tokens 2");
    producer.shows(r#"erboh_producer_unauthorized_total{reason="missing"} 0"#);
    let metrics = producer.metrics();
    let refused = metrics.lines().find(|line| line.contains(r#"total{reason="unknown"}"#));
    assert!(refused.is_some_and(|line| !line.ends_with(" 0")), "{metrics}");
    let log = producer.process.errors();
    assert_eq!(log.matches(fault).count(), 1, "an error is said once: {log}");
    assert!(log.contains("refused to write for want of a token"), "{log}");
    assert!(!log.contains("other users can read"), "{log}");
    assert!(log.contains(r#"writer="lab""#), "who has written is said by name: {log}");
    // Everything was logged that can be, and none of it is a token, in the file or in a request.
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "{log}");
    for text in [&log, &metrics] {
        assert!(!text.contains(TOKEN) && !text.contains(OTHER), "{text}");
    }
}

/// Kubernetes has `tokens -> ..data/tokens` and replaces the link `..data` by another.
#[test]
fn a_secret_of_kubernetes_is_followed() {
    let home = tempfile::tempdir().expect("a directory");
    let place = |name: &str| home.path().join(name);
    for (name, token) in [("one", TOKEN), ("two", OTHER)] {
        fs::create_dir(place(name)).expect("a directory");
        write(&place(name).join("tokens"), &format!("lab:{token}"));
    }
    symlink("one", place("..data")).expect("a link");
    symlink("..data/tokens", place("tokens")).expect("a link");
    let producer = Producer::start(home.path(), &place("tokens"));
    assert!(producer.admits(TOKEN));
    symlink("two", place("..new")).expect("a link");
    fs::rename(place("..new"), place("..data")).expect("the link is replaced");
    becomes("the change", || producer.admits(OTHER) && !producer.admits(TOKEN));
}

/// Runs a command that must be refused before it opens anything, and checks what it says.
fn refused(arguments: &[&str], expected: &[&str]) {
    let output = erboh(arguments);
    let text = String::from_utf8(output.stderr).expect("errors are text");
    assert_eq!(output.status.code(), Some(2), "{text}");
    for part in expected {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    assert!(!text.contains(TOKEN), "{text}");
}

#[test]
fn a_file_that_cannot_be_used_is_said_at_the_start() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("tokens");
    write(&file, &format!("{TOKEN}:lab\n"));
    let flag = format!("--token-file={}", file.display());
    let name = flag.replace('=', " ");
    for command in ["producer", "demo"] {
        refused(&[command, &flag], &[&name, "line 1: the token has 3 bytes"]);
        refused(
            &[command, "--token-file=/nowhere/x"],
            &["--token-file /nowhere/x", "No such file"],
        );
        refused(&[command, &flag, "--anyone-may-write"], &["--token-file", "--anyone-may-write"]);
    }
}

#[test]
fn nobody_opens_a_producer_to_other_machines_by_accident() {
    let ways_out = ["--token-file", "--anyone-may-write", "127.0.0.1"];
    let check = |arguments: &[&str], flag: &str| {
        refused(arguments, &[&[flag], &ways_out[..]].concat());
    };
    check(&["producer", "--listen=0.0.0.0:3000"], "--listen 0.0.0.0:3000");
    check(&["producer", "--listen=[::]:3000"], "--listen [::]:3000");
    check(&["producer", "--listen=192.0.2.1:3000"], "--listen 192.0.2.1:3000");
    check(&["demo", "--producer-listen=0.0.0.0:0"], "--producer-listen 0.0.0.0:0");
}

#[test]
fn whoever_opens_it_to_everybody_is_warned() {
    let home = tempfile::tempdir().expect("a directory");
    let flags = ["--listen=0.0.0.0:0", "--ops-listen=127.0.0.1:0", "--brokers=127.0.0.1:1"];
    let flags = [&flags[..], &["--anyone-may-write"]].concat();
    let process = Process::start("producer", home.path(), &flags);
    becomes("the warning", || process.errors().contains("may write ratings"));
    becomes("the start", || process.errors().contains("producer on http://0.0.0.0:"));
}

#[test]
fn on_this_machine_a_foreign_name_may_not_write_whatever_the_flag() {
    let home = tempfile::tempdir().expect("a directory");
    let producer = Producer::with(home.path(), "--anyone-may-write");
    assert_eq!(producer.status("host", "localhost"), 422);
    assert_eq!(producer.status("host", "evil.example"), 421);
}

#[test]
fn a_file_that_others_can_read_is_warned_about() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("tokens");
    write(&file, &format!("lab:{TOKEN}"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("its mode is set");
    let producer = Producer::start(home.path(), &file);
    becomes("the warning", || producer.process.errors().contains("other users can read"));
    assert!(producer.process.errors().contains("0644"), "{}", producer.process.errors());
}
