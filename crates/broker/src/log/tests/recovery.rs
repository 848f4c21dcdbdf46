//! Opening after a crash: what was written before the cut is there, and nothing else.

use super::small_segments;
use crate::log::Log;
use crate::log::testing::{NOW_MS, all_values, open, read_all, values};
use crate::partition::{AppendError, Isolation, LogConfig, Partition};
use proptest::prelude::*;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn append(partition: &Partition, batch: &[&str]) -> i64 {
    block_on(partition.append(values(batch), NOW_MS)).unwrap().base_offset
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == extension))
        .collect();
    found.sort();
    found
}

/// A copy of the directory, as a crash at this moment would leave it.
fn crash_copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

#[test]
fn a_log_cut_at_any_byte_keeps_the_whole_batches_before() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    let mut ends = vec![0];
    for batch in [&["a", "b"][..], &["c"], &["d", "e", "f"]] {
        append(&partition, batch);
        ends.push(partition.size_bytes());
    }
    let all = ["a", "b", "c", "d", "e", "f"];
    let counts = [0, 2, 3, 6];
    for cut in 0..=partition.size_bytes() {
        let copy = crash_copy(dir.path());
        let log = &files(copy.path(), "log")[0];
        OpenOptions::new().write(true).open(log).unwrap().set_len(cut).unwrap();
        let whole = ends.iter().rposition(|end| *end <= cut).unwrap();
        let reopened = open(copy.path(), &LogConfig::default());
        assert_eq!(all_values(&reopened), all[..counts[whole]], "cut at {cut}");
        // And it goes on from there.
        assert_eq!(append(&reopened, &["g"]), counts[whole] as i64);
        assert_eq!(all_values(&open(copy.path(), &LogConfig::default())).len(), counts[whole] + 1);
    }
}

#[test]
fn a_flipped_bit_costs_what_follows_it_and_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    for value in ["a", "b", "c"] {
        append(&partition, &[value]);
    }
    let bytes = fs::read(&files(dir.path(), "log")[0]).unwrap();
    let batch_bytes = bytes.len() / 3;
    for bit in 0..bytes.len() * 8 {
        let copy = crash_copy(dir.path());
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&files(copy.path(), "log")[0], &damaged).unwrap();
        let kept = all_values(&open(copy.path(), &LogConfig::default())).len();
        // The first 16 bytes are the broker's own: a leader epoch is not covered by the checksum, and
        // a higher base offset is a gap.
        let in_batch = bit / 8 % batch_bytes;
        let uncovered = in_batch < 8 || (12..16).contains(&in_batch);
        assert!(kept == bit / 8 / batch_bytes || uncovered, "bit {bit}: {kept} records");
    }
}

#[test]
fn index_and_snapshot_files_are_rebuilt_when_missing_or_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &small_segments());
    for n in 0..30 {
        append(&partition, &[&n.to_string(), "x"]);
    }
    partition.close().unwrap();
    let expected = read_all(&partition);
    for extension in ["index", "snapshot"] {
        assert!(files(dir.path(), extension).len() > 1, "{extension}");
        let spoil: [fn(&Path); 4] = [
            |path| fs::remove_file(path).unwrap(),
            |path| File::create(path).map(drop).unwrap(),
            |path| fs::write(path, b"not an index of this broker at all, but longer").unwrap(),
            |path| {
                let mut bytes = fs::read(path).unwrap();
                bytes[10] ^= 1;
                fs::write(path, bytes).unwrap();
            },
        ];
        for spoil in spoil {
            let copy = crash_copy(dir.path());
            for path in files(copy.path(), extension) {
                spoil(&path);
            }
            let reopened = open(copy.path(), &small_segments());
            assert_eq!(read_all(&reopened), expected);
            reopened.flush().unwrap();
        }
    }
}

#[test]
fn damage_in_an_old_segment_does_not_cost_later_ones_that_were_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &small_segments());
    for n in 0..30 {
        append(&partition, &[&n.to_string()]);
    }
    partition.close().unwrap();
    let first = &files(dir.path(), "log")[0];
    let mut bytes = fs::read(first).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(first, bytes).unwrap();
    fs::remove_file(first.with_extension("index")).unwrap();
    let reopened = open(dir.path(), &small_segments());
    assert_eq!(all_values(&reopened).len(), 29);
    assert_eq!(reopened.offsets().high_watermark, 30);
}

#[test]
fn leftovers_of_a_crash_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    append(&open(dir.path(), &LogConfig::default()), &["a"]);
    let leftovers = ["00000000000000000000.cleaned", "00000000000000000000.tmp", "cleaner.tmp"];
    for name in leftovers {
        fs::write(dir.path().join(name), b"half").unwrap();
    }
    assert_eq!(all_values(&open(dir.path(), &LogConfig::default())), ["a"]);
    for name in leftovers {
        assert!(!dir.path().join(name).exists(), "{name}");
    }
}

#[test]
fn a_failed_write_leaves_the_log_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    append(&partition, &["a"]);
    // What a write that broke off leaves: bytes beyond the end that nobody counts.
    let path = &files(dir.path(), "log")[0];
    fs::write(path, [fs::read(path).unwrap(), vec![7; 100]].concat()).unwrap();
    partition.with_log(|log| log.tail_torn = true);
    assert_eq!(all_values(&partition), ["a"]);
    assert_eq!(append(&partition, &["b"]), 1);
    assert_eq!(all_values(&partition), ["a", "b"]);
    assert_eq!(all_values(&open(dir.path(), &LogConfig::default())), ["a", "b"]);
}

#[test]
fn a_reader_goes_on_while_the_log_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    append(&partition, &["a"]);
    fs::remove_dir_all(dir.path()).unwrap();
    assert_eq!(all_values(&partition), ["a"]);
    let fetched = partition.fetch(1, 100, Isolation::ReadUncommitted).unwrap();
    assert!(fetched.records.is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Reopen { clean: bool },
    Flush,
    CutTail(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..6_usize).prop_map(Step::Append),
        1 => any::<bool>().prop_map(|clean| Step::Reopen { clean }),
        1 => Just(Step::Flush),
        2 => (0..200_u64).prop_map(Step::CutTail),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever happens, the log holds a prefix of what was appended, and of that everything up to
    /// the cut; offsets count on without a gap.
    #[test]
    fn the_log_is_always_a_prefix_of_what_was_appended(steps in prop::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut partition = open(dir.path(), &small_segments());
        let mut expected: Vec<String> = Vec::new();
        let mut made = 0;
        for step in steps {
            match step {
                Step::Append(count) => {
                    let batch: Vec<String> = (0..count).map(|n| format!("{}", made + n)).collect();
                    made += count;
                    let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
                    prop_assert_eq!(append(&partition, &batch), expected.len() as i64);
                    expected.extend(batch.into_iter().map(str::to_owned));
                }
                Step::Flush => partition.flush().unwrap(),
                Step::Reopen { clean } => {
                    if clean {
                        partition.close().unwrap();
                    }
                    partition = open(dir.path(), &small_segments());
                }
                Step::CutTail(cut) => {
                    let active = files(dir.path(), "log").pop().unwrap();
                    let file = OpenOptions::new().write(true).open(&active).unwrap();
                    let size = file.metadata().unwrap().len();
                    file.set_len(size.saturating_sub(cut)).unwrap();
                    partition = open(dir.path(), &small_segments());
                    let left = partition.offsets().high_watermark as usize;
                    prop_assert!(left <= expected.len());
                    prop_assert!(cut > 0 || left == expected.len());
                    expected.truncate(left);
                }
            }
            let seen = read_all(&partition);
            prop_assert!(seen.iter().enumerate().all(|(at, it)| it.offset == at as i64));
            let seen: Vec<String> = seen.into_iter().map(|it| it.value).collect();
            prop_assert_eq!(&seen, &expected);
        }
    }
}

#[test]
fn while_the_disk_refuses_the_partition_refuses_and_then_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    append(&partition, &["a"]);
    // A handle that can neither write nor truncate.
    let read_only = Arc::new(File::open(&files(dir.path(), "log")[0]).unwrap());
    let writable =
        partition.with_log(|log| std::mem::replace(&mut log.active_mut().file, read_only));
    for _ in 0..2 {
        let refused = block_on(partition.append(values(&["lost"]), NOW_MS));
        assert!(matches!(refused, Err(AppendError::Io(_))));
    }
    assert_eq!(all_values(&partition), ["a"]);
    partition.with_log(|log| log.active_mut().file = writable);
    assert_eq!(append(&partition, &["b"]), 1);
    assert_eq!(all_values(&open(dir.path(), &LogConfig::default())), ["a", "b"]);
}

#[test]
fn after_a_failed_flush_nothing_more_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    append(&partition, &["a"]);
    partition.with_log(Log::flush_failed);
    let refused = block_on(partition.append(values(&["b"]), NOW_MS));
    assert!(matches!(refused, Err(AppendError::Io(_))));
    assert_eq!(all_values(&partition), ["a"]);
}
