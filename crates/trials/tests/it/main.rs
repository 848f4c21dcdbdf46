//! The trials as a program, as far as that needs no Kafka.

use std::process::Command;

/// Runs `trials` to its end; its exit code and its standard output.
fn trials(arguments: &[&str]) -> (Option<i32>, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_trials")).args(arguments).output().expect("it runs");
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn a_seed_names_a_campaign() {
    let campaign = |seed| trials(&["chaos", "--schedule", "--minutes", "3", "--seed", seed]);
    let (code, schedule) = campaign("7");
    assert_eq!(code, Some(0));
    assert!(schedule.lines().count() > 12 && schedule.contains("partition leader killed"));
    assert_eq!(campaign("7").1, schedule);
    assert_ne!(campaign("8").1, schedule);
}

#[test]
fn what_cannot_be_a_campaign_is_refused() {
    for arguments in [["--minutes", "0"], ["--rate", "1"], ["--sabotage", "luck"]] {
        let (code, _) = trials(&[&["chaos"], &arguments[..]].concat());
        assert_eq!(code, Some(2), "{arguments:?}");
    }
}
