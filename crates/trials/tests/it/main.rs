//! The `trials` binary, as far as it runs without Kafka.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use erboh_testbed::{Child, Signal};

/// Runs `trials` to completion; its exit code and its standard output.
fn trials(arguments: &[&str]) -> (Option<i32>, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_trials")).args(arguments).output().expect("it runs");
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn seed_determines_the_schedule() {
    let campaign = |seed| trials(&["chaos", "--schedule", "--minutes", "3", "--seed", seed]);
    let (code, schedule) = campaign("7");
    assert_eq!(code, Some(0));
    assert!(schedule.lines().count() > 12 && schedule.contains("partition leader killed"));
    assert_eq!(campaign("7").1, schedule);
    assert_ne!(campaign("8").1, schedule);
}

#[test]
fn invalid_options_are_rejected() {
    for arguments in [["--minutes", "0"], ["--rate", "1"], ["--sabotage", "luck"]] {
        let (code, _) = trials(&[&["chaos"], &arguments[..]].concat());
        assert_eq!(code, Some(2), "{arguments:?}");
    }
}

/// The process state according to `ps`; empty if the process has exited, also as a zombie.
fn state(pid: u32) -> String {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output();
    let stat = String::from_utf8(output.expect("ps runs").stdout).expect("text");
    let stat = stat.trim();
    if stat.starts_with('Z') { String::new() } else { stat.to_owned() }
}

/// Polls until `poll` returns a value.
fn until<T>(what: &str, poll: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(Instant::now() < end, "timeout: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn killed_trial_leaves_no_process_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    // A stand-in for erboh that writes its pid and never serves.
    let script = format!("#!/bin/sh\necho $$ > '{}'\nexec sleep 600\n", at("pid").display());
    std::fs::write(at("erboh"), script).expect("written");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(at("erboh"), executable).expect("executable");
    let mut command = Command::new(env!("CARGO_BIN_EXE_trials"));
    command.args(["overload", "--broker", "embedded", "--erboh"]).arg(at("erboh"));
    command.arg("--directory").arg(at("data")).stdout(Stdio::null());
    let mut trials = Child::spawn(command).expect("it starts");
    let erboh: u32 = until("the pid of the child", || {
        std::fs::read_to_string(at("pid")).ok()?.trim().parse().ok()
    });
    assert_ne!(state(erboh), "");
    trials.signal(Signal::Kill).expect("it runs");
    trials.wait(Duration::from_mins(1)).expect("it ends");
    until("the end of the child", || state(erboh).is_empty().then_some(()));
}
