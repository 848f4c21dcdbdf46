//! The command line of the real binary: its help, and what it refuses.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::WAIT_MAX;

fn erboh(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_erboh"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the binary runs")
}

fn help(command: &str) -> String {
    let output = erboh(&[command, "--help"], &[]);
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).expect("help is text")
}

/// Runs a command that must be refused, and gives what it says.
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = erboh(arguments, variables);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).expect("errors are text")
}

#[test]
fn the_help_of_every_command_is_as_reviewed() {
    let overview = String::from_utf8(erboh(&["--help"], &[]).stdout).expect("help is text");
    insta::assert_snapshot!("help", overview);
    for command in COMMANDS {
        insta::assert_snapshot!(format!("help_{command}"), help(command));
    }
}

const COMMANDS: [&str; 7] = ["demo", "broker", "producer", "consumer", "smoke", "doctor", "audit"];

#[test]
fn every_flag_has_its_variable() {
    for command in COMMANDS {
        let text = help(command);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let flags = lines.iter().filter_map(|line| line.strip_prefix("--")?.split(' ').next());
        assert_eq!(
            flags.count(),
            lines.iter().filter(|line| line.starts_with("[env: ERBOH_")).count(),
            "erboh {command}: one variable per flag"
        );
    }
}

#[test]
fn a_reader_that_has_gone_ends_no_command() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_erboh"));
    command.args(["smoke", "--brokers", "127.0.0.1:1", "--time-limit-ms", "100"]).env_clear();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("a child can be waited for");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "it fails for its own reason: {errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[test]
fn a_log_reader_that_has_gone_does_not_keep_a_service_from_stopping() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_erboh"));
    command.args(["producer", "--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0"]).env_clear();
    command.args(["--brokers=127.0.0.1:1"]).stderr(Stdio::piped());
    let mut child = Ended(command.spawn().expect("it runs"));
    let mut log = BufReader::new(child.0.stderr.take().expect("its log"));
    let mut line = String::new();
    log.read_line(&mut line).expect("a line");
    drop(log);
    let pid = child.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    let started = Instant::now();
    while child.0.try_wait().expect("a child can be waited for").is_none() {
        assert!(started.elapsed() < WAIT_MAX, "it does not stop");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(child.0.wait().expect("it has ended").code(), Some(0));
}

/// Ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It has usually ended already; then both do nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn secrets_are_refused_on_the_command_line() {
    for name in
        ["sasl.password", "ssl.key.password", "sasl.oauthbearer.client.secret", "ssl.key.pem"]
    {
        let property = format!("{name}=hunter2");
        let text = refused(&["producer", "--kafka-property", &property], &[]);
        assert!(text.contains(&format!("--kafka-property-file {name}=PATH")), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn wrong_values_are_refused_with_what_was_expected() {
    let check = |arguments: &[&str], expected: &str| {
        let text = refused(arguments, &[]);
        assert!(text.contains(expected), "{text}");
    };
    check(&["producer", "--ratings-per-hit", "0"], "from 1 to 1000");
    check(&["producer", "--board-url", "javascript:alert(1)"], "http://");
    check(&["producer", "--kafka-property", "linger.ms"], "KEY=VALUE");
    check(&["producer", "--log-filter", "erboh=loudly"], "--log-filter");
    check(&["broker", "--num-partitions", "0"], "0 is not in 1..=10000");
    check(&["broker", "--auto-create-topics", "sometimes"], "true, false");
    check(&["demo", "--producer-listen", "localhost:3000"], "such as 127.0.0.1:3000");
    check(&["smoke", "--brokers", " ,"], "expected HOST:PORT");
    check(&["broker", "--brokers", "x"], "unexpected argument");
    check(&["nonsense"], "unrecognized subcommand");
    let text = refused(&["producer"], &[("ERBOH_RATINGS_PER_HIT", "many")]);
    assert!(text.contains("--ratings-per-hit"), "{text}");
}

#[test]
fn an_address_that_clients_could_not_use_is_refused_with_the_form_of_one() {
    let check = |address: &str, remedy: &str| {
        let text = refused(&["broker", "--advertise", address], &[]);
        assert!(text.contains("HOST:PORT, such as laptop.local:9092 or [::1]:9092"), "{text}");
        assert!(text.contains(remedy), "{address:?}: {text}");
    };
    check("somewhere", "expected");
    check("::1:9092", "put brackets around the IPv6 address");
    check("fd00::7:9092", "put brackets around the IPv6 address");
    check("[laptop.local]:9092", "only an IPv6 address stands in brackets");
    check("[::1:9092", "put brackets around the IPv6 address");
    check("[::1]", "put brackets around the IPv6 address");
    check(":9092", "the host is empty");
    check(" :9092", "has a blank in it");
    check(" laptop.local:9092", "has a blank in it");
    check("laptop.local:", "from 1 to 65535");
    check("laptop.local:0", "from 1 to 65535");
    check("laptop.local: 9092", "from 1 to 65535");
    check("[::1]:65536", "from 1 to 65535");
}

#[cfg(not(feature = "otlp"))]
#[test]
fn traces_that_cannot_be_sent_are_refused_unless_the_whole_cluster_wants_them() {
    let text = refused(&["producer", "--otlp-endpoint", "http://127.0.0.1:4318"], &[]);
    assert!(text.contains("--features otlp"), "{text}");
    let everywhere = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    let text = refused(&["producer", "--ratings-per-hit", "0"], &[everywhere]);
    assert!(text.contains("from 1 to 1000") && !text.contains("otlp"), "{text}");
}

#[cfg(feature = "otlp")]
#[test]
fn a_collector_that_cannot_be_reached_as_told_is_refused() {
    let text = refused(&["producer", "--otlp-endpoint", "https://collector:4318"], &[]);
    assert!(text.contains("starts with http://"), "{text}");
    let everywhere = ("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense");
    let text = refused(&["producer"], &[everywhere]);
    assert!(text.contains("OTEL_EXPORTER_OTLP_ENDPOINT=nonsense"), "{text}");
}

/// The variables of a command, all of them empty, except the one for which that is an error.
fn empty_variables(command: &str) -> Vec<(String, String)> {
    let text = help(command);
    let names = text.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("[env: ")?;
        name.split(['=', ']']).next().filter(|name| *name != "ERBOH_TOKEN_FILE")
    });
    names.map(|name| (name.to_owned(), String::new())).collect()
}

#[test]
fn variables_that_are_set_and_empty_are_as_good_as_not_set() {
    for command in COMMANDS {
        let empty = empty_variables(command);
        let empty: Vec<_> = empty.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert!(empty.len() > 5, "{empty:?}");
        // The only setting at fault is the one that is given.
        let text = refused(&[command, "--log-filter=erboh=loudly"], &empty);
        assert!(text.starts_with("erboh: --log-filter"), "{text}");
        if ["producer", "consumer"].contains(&command) {
            // They get as far as the client library.
            let text = fails(&[command, "--kafka-property=no.such.property=1"], &empty);
            assert!(text.contains("no.such.property"), "{text}");
        }
    }
    for command in ["producer", "demo"] {
        let text = refused(&[command], &[("ERBOH_TOKEN_FILE", "")]);
        assert!(text.contains("ERBOH_TOKEN_FILE, is empty"), "{text}");
    }
}

/// Runs a command whose settings are read but cannot be used, and gives what it says.
fn fails(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let any_port = ["--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0"];
    let output = erboh(&[arguments, &any_port].concat(), variables);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).expect("errors are text")
}

#[test]
fn secrets_are_taken_from_files_and_variables() {
    // One property is none: what librdkafka says about it shows that the lines were read.
    let variable = "sasl.mechanism=PLAIN\nsasl.password=hunter2\nno.such.property=1";
    let text = fails(&["producer"], &[("ERBOH_KAFKA_PROPERTIES", variable)]);
    assert!(text.contains("no.such.property") && !text.contains("hunter2"), "{text}");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("value");
    std::fs::write(&file, "plaintext-is-no-protocol\n").expect("a file");
    let flag = format!("--kafka-property-file=security.protocol={}", file.display());
    let text = fails(&["consumer", &flag], &[]);
    assert!(text.contains("plaintext-is-no-protocol\""), "without its line break: {text}");
    let text = fails(&["producer", "--kafka-property-file=sasl.password=/nowhere/x"], &[]);
    assert!(text.contains("/nowhere/x for sasl.password: No such file"), "{text}");
}
