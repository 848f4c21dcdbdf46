//! `cargo xtask fuzz`: fuzzes every parser of untrusted bytes for a limited time.
//!
//! libFuzzer needs LLVM's coverage instrumentation; the flags below are those of `cargo fuzz`
//! without the sanitizers, which need a nightly compiler and look for errors that safe Rust cannot
//! have. So stable Rust and the C++ compiler of librdkafka are sufficient.

use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::process::Command as Process;

use super::Command;
use crate::{Outcome, process, repository};

pub(crate) const COMMAND: Command = Command {
    name: "fuzz",
    summary: "fuzz every parser of untrusted bytes (--seconds N for each, 60 by default; --seed N)",
    run,
};

const FLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing";
/// Memory limit per input; a length from the wire must not size an allocation.
const MEMORY_MB_MAX: u32 = 1024;
/// Time limit per input.
const INPUT_SECONDS_MAX: u32 = 10;
/// Includes the stack trace and the input.
const LINES_OF_A_FAILURE: usize = 60;

fn run(arguments: &[String]) -> Outcome {
    // libFuzzer treats a seed of 0 as no seed.
    let any = (RandomState::new().hash_one(()) as u32).max(1);
    let (mut seconds, mut seed) = (60, any);
    for option in arguments.chunks(2) {
        let (value, text) = match option {
            [flag, text] if flag == "--seconds" => (&mut seconds, text),
            [flag, text] if flag == "--seed" => (&mut seed, text),
            _ => return Err("the options are --seconds N and --seed N".to_owned()),
        };
        *value = match text.parse() {
            Ok(number) if number > 0 => number,
            _ => return Err(format!("`{text}` is not a number above 0")),
        };
    }
    fuzz(seconds, seed)
}

/// Builds the targets and runs each for `seconds_each` with this seed. Inputs that increase the
/// coverage are kept below `target/fuzz/runs`, as the corpus of the next run.
pub(crate) fn fuzz(seconds_each: u32, seed: u32) -> Outcome {
    let host = host()?;
    let target_dir = repository::target("fuzz");
    let mut build = process::cargo();
    build.args(["build", "--locked", "--manifest-path", "fuzz/Cargo.toml"]);
    // Full optimisation would take minutes to build. Debug assertions stay enabled.
    build.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_PROFILE_DEV_DEBUG", "0");
    // With an explicit target the flags do not apply to build scripts, which do not link libFuzzer.
    build.args(["--target", &host]).arg("--target-dir").arg(&target_dir).env("RUSTFLAGS", FLAGS);
    process::run(&mut build)?;
    println!("--seed {seed}");
    targets()?.iter().try_for_each(|name| {
        run_target(&target_dir.join(&host).join("debug").join(name), name, seconds_each, seed)
    })
}

/// Runs one target. Its output goes to a file, because most of it is a dictionary.
fn run_target(program: &Path, name: &str, seconds: u32, seed: u32) -> Outcome {
    let directory = repository::target("fuzz").join("runs").join(name);
    let [corpus, findings] = ["corpus", "findings"].map(|below| directory.join(below));
    for each in [&corpus, &findings] {
        std::fs::create_dir_all(each)
            .map_err(|error| format!("creating {}: {error}", each.display()))?;
    }
    let path = directory.join("log");
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let log = std::fs::File::create(&path).map_err(failed)?;

    let mut fuzzer = Process::new(program);
    fuzzer.arg(&corpus).arg(format!("-artifact_prefix={}/", findings.display()));
    fuzzer.arg(format!("-max_total_time={seconds}")).arg(format!("-seed={seed}"));
    fuzzer.arg(format!("-rss_limit_mb={MEMORY_MB_MAX}"));
    fuzzer.arg(format!("-malloc_limit_mb={MEMORY_MB_MAX}"));
    fuzzer.arg(format!("-timeout={INPUT_SECONDS_MAX}"));
    let outcome = process::run(fuzzer.stdout(log.try_clone().map_err(failed)?).stderr(log));

    let output = std::fs::read(&path).map_err(failed)?;
    let output = String::from_utf8_lossy(&output);
    if outcome.is_ok() {
        println!(
            "{name}: {}",
            output.lines().find(|line| line.starts_with("Done ")).unwrap_or("?")
        );
        return Ok(());
    }
    let lines: Vec<&str> = output.lines().collect();
    eprintln!("{}", lines[lines.len().saturating_sub(LINES_OF_A_FAILURE)..].join("\n"));
    Err(format!("{name} failed; the input is in {}", findings.display()))
}

/// The names of the fuzz targets, which are the names of their files.
fn targets() -> Result<Vec<String>, String> {
    let directory = repository::path("fuzz/fuzz_targets");
    let failed = |error: std::io::Error| format!("reading {}: {error}", directory.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    if names.is_empty() { Err(format!("no targets in {}", directory.display())) } else { Ok(names) }
}

/// The target triple of this machine.
fn host() -> Result<String, String> {
    let text = process::capture(Process::new("rustc").arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(ToOwned::to_owned).ok_or_else(|| "`rustc -vV` names no host".to_owned())
}
