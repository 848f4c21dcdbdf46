//! Compaction: the newest record of each key stays, at its offset, whatever happens in between.

use super::{compact_all, compact_with_memory_for, compacted, small_segments};
use crate::limits::COMPACTION_KEYS_MAX;
use crate::log::codec;
use crate::log::record::{Marker, Writer, assemble, build};
use crate::log::testing::{LAZY, NOW_MS, Seen, all_values, keyed, open, read_all, read_from};
use crate::log::{batch::Batch, files};
use crate::partition::{Isolation, LogConfig, Partition};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const DAY_MS: i64 = 24 * 3600 * 1000;

async fn put(partition: &Partition, records: &[(&str, &str)]) {
    partition.append(keyed(records), NOW_MS).await.unwrap();
}

/// Keys with their newest value; tombstones are gone.
fn newest(partition: &Partition) -> BTreeMap<String, String> {
    let mut values: BTreeMap<String, String> =
        read_all(partition).into_iter().map(|it| (it.key, it.value)).collect();
    values.retain(|_, value| !value.is_empty());
    values
}

#[tokio::test]
async fn the_newest_record_of_each_key_stays_at_its_offset() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &compacted());
    for round in 0..20 {
        let round = format!("{round}");
        put(&partition, &[("a", &round), ("b", &round), (&round, "once")]).await;
    }
    let before = read_all(&partition);
    let size = partition.size_bytes();
    compact_all(&partition, NOW_MS);
    let expected: Vec<Seen> =
        before.into_iter().filter(|it| it.value == "once" || it.value == "19").collect();
    for partition in [partition, open(dir.path(), &compacted())] {
        assert_eq!(read_all(&partition), expected);
        assert!(partition.size_bytes() < size);
        assert_eq!(partition.offsets().log_start, 0);
        // Reading from an offset that is gone begins with the next one that is there.
        for offset in 0..60 {
            let from: Vec<Seen> =
                expected.iter().filter(|it| it.offset >= offset).cloned().collect();
            assert_eq!(read_from(&partition, offset, Isolation::ReadUncommitted), from);
        }
    }
    let partition = open(dir.path(), &compacted());
    put(&partition, &[("a", "20")]).await;
    assert_eq!(read_all(&partition).last().unwrap().offset, 60);
}

#[tokio::test]
async fn the_active_segment_and_open_transactions_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &compacted());
    for value in ["1", "2", "3"] {
        put(&partition, &[("a", value)]).await;
    }
    partition.compact(NOW_MS, COMPACTION_KEYS_MAX).unwrap();
    assert_eq!(all_values(&partition), ["1", "2", "3"]);
    let open_batch =
        build(Writer::idempotent(7, 0, 0, true), NOW_MS, [(Some(&b"a"[..]), Some(&b"4"[..]))]);
    partition.append(open_batch, NOW_MS).await.unwrap();
    compact_all(&partition, NOW_MS);
    assert_eq!(all_values(&partition), ["1", "2", "3", "4"]);
    partition.append_marker(7, 0, Marker::Commit, NOW_MS).await.unwrap();
    compact_all(&partition, NOW_MS);
    assert_eq!(all_values(&partition), ["4"]);
}

#[tokio::test]
async fn aborted_records_go_and_never_replace_older_ones() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &compacted());
    put(&partition, &[("a", "kept")]).await;
    let transaction = |sequence, value: &'static str| {
        let record = (Some(&b"a"[..]), Some(value.as_bytes()));
        build(Writer::idempotent(7, 0, sequence, true), NOW_MS, [record])
    };
    partition.append(transaction(0, "aborted"), NOW_MS).await.unwrap();
    partition.append_marker(7, 0, Marker::Abort, NOW_MS).await.unwrap();
    compact_all(&partition, NOW_MS);
    assert_eq!(all_values(&partition), ["kept"]);
    // The same producer commits later; its old abort, whose marker goes at some time, must not hide it.
    partition.append(transaction(1, "committed"), NOW_MS).await.unwrap();
    partition.append_marker(7, 0, Marker::Commit, NOW_MS).await.unwrap();
    for day in [0, 2, 4] {
        compact_all(&partition, NOW_MS + day * DAY_MS);
        put(&partition, &[("b", "so that something is dirty")]).await;
        for partition in [&partition, &open(dir.path(), &compacted())] {
            let seen = read_from(partition, 0, Isolation::ReadCommitted);
            assert_eq!(seen[0].value, "committed", "day {day}");
        }
    }
}

#[tokio::test]
async fn tombstones_stay_for_their_time_and_then_go() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &compacted());
    put(&partition, &[("a", "1"), ("b", "1")]).await;
    put(&partition, &[("a", "")]).await;
    let keys = |partition: &Partition| -> Vec<String> {
        read_all(partition).into_iter().map(|it| it.key).collect()
    };
    compact_all(&partition, NOW_MS);
    assert_eq!(keys(&partition), ["b", "a"]);
    for (after_ms, expected) in [(DAY_MS - 1, &["b", "a"][..]), (DAY_MS, &["b"])] {
        // Something dirty, so that there is a reason to compact.
        put(&partition, &[("c", "1")]).await;
        compact_all(&partition, NOW_MS + after_ms);
        let partition = open(dir.path(), &compacted());
        assert_eq!(keys(&partition)[..expected.len()], *expected);
    }
    assert_eq!(newest(&partition).len(), 2);
}

#[tokio::test]
async fn more_keys_than_memory_take_several_passes() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &compacted());
    for round in ["1", "2", "3"] {
        for key in 0..30 {
            put(&partition, &[(&format!("{key}"), round), ("same", round)]).await;
        }
    }
    let expected = newest(&partition);
    compact_with_memory_for(&partition, NOW_MS, 7);
    assert_eq!(newest(&partition), expected);
    assert_eq!(read_all(&partition).len(), 31);
}

#[tokio::test]
async fn compaction_keeps_the_codec() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &compacted());
    for codec in 0..=4 {
        let mut plain = keyed(&[("a", "1"), (&format!("{codec}"), &"long ".repeat(50))]);
        let batch = Batch::split(&mut plain).unwrap();
        let body = codec::compress(codec, batch.body()).unwrap();
        let mut header = batch.header;
        header.attributes = codec;
        partition.append(assemble(&header, &body), NOW_MS).await.unwrap();
    }
    put(&partition, &[("a", "2")]).await;
    compact_all(&partition, NOW_MS);
    assert_eq!(read_all(&partition).len(), 6);
    let mut bytes = partition.fetch(0, 1 << 20, Isolation::ReadUncommitted).unwrap().records;
    for codec in 0..=4 {
        assert_eq!(Batch::split(&mut bytes).unwrap().header.codec(), codec);
        if bytes.is_empty() {
            break; // the rest is in the next segment
        }
    }
}

#[tokio::test]
async fn waits_for_dirt_and_age() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &compacted());
    for _ in 0..20 {
        put(&partition, &[("a", "some value")]).await;
    }
    partition.set_config(LogConfig { min_compaction_lag_ms: 1000, ..compacted() });
    compact_all(&partition, NOW_MS + 999);
    assert_eq!(read_all(&partition).len(), 20);
    compact_all(&partition, NOW_MS + 1000);
    assert_eq!(read_all(&partition).len(), 1);

    partition.set_config(LogConfig { min_cleanable_dirty_ratio: 0.9, ..compacted() });
    put(&partition, &[("a", "2")]).await;
    compact_all(&partition, NOW_MS);
    assert_eq!(read_all(&partition).len(), 2, "half of the log is clean");
}

#[tokio::test]
async fn compact_and_delete_does_both() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { delete: true, retention_ms: Some(DAY_MS), ..compacted() };
    let partition = open(dir.path(), &config);
    for _ in 0..20 {
        put(&partition, &[("a", "some value")]).await;
    }
    partition.maintain(NOW_MS).unwrap();
    assert!(read_all(&partition).len() < 20);
    partition.maintain(NOW_MS + DAY_MS + 1).unwrap();
    assert_eq!(read_all(&partition), []);
    assert_eq!(partition.offsets().log_start, 20);
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

/// Runs one pass and copies the directory at each point where a crash could strike.
fn crash_points(dir: &Path, partition: &Partition, now_ms: i64) -> Vec<tempfile::TempDir> {
    partition.roll();
    partition.flush().unwrap();
    let mut points = vec![copy(dir)];
    let Some(plan) = partition.with_log(|log| log.plan_compaction(now_ms, true)) else {
        return points;
    };
    let mut compacted = plan.run(COMPACTION_KEYS_MAX).unwrap();
    points.push(copy(dir));
    let merged = partition.with_log(|log| {
        log.install(&mut compacted).unwrap();
        log.segments.iter().map(|it| it.base_offset).collect::<Vec<_>>()
    });
    points.push(copy(dir));
    // Without the index files too, as between the renames and saving them.
    let bare = copy(dir);
    for offset in files::offsets(bare.path(), files::INDEX).unwrap() {
        fs::remove_file(files::path(bare.path(), offset, files::INDEX)).unwrap();
    }
    points.push(bare);
    // After each removal of a merged segment.
    let partly = copy(dir);
    for offset in files::offsets(dir, files::SEGMENT).unwrap() {
        if !merged.contains(&offset) {
            super::super::segment::remove_files(partly.path(), offset).unwrap();
            points.push(copy(partly.path()));
        }
    }
    compacted.finish().unwrap();
    points.push(copy(dir));
    points
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// At every crash point, and after compacting again from there, each key has its newest value.
    #[test]
    fn no_crash_during_compaction_changes_what_the_log_says(
        rounds in prop::collection::vec(
            prop::collection::vec((0..12_u8, prop::option::of(0..5_u8)), 1..40),
            1..4,
        ),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let config = LogConfig { delete_retention_ms: 0, ..compacted() };
        let partition = open(dir.path(), &config);
        let mut expected = BTreeMap::new();
        for (day, round) in rounds.iter().enumerate() {
            for (key, value) in round {
                let key = format!("key-{key}");
                let value = value.map_or(String::new(), |it| format!("value-{it}"));
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(put(&partition, &[(&key, &value)]));
                if value.is_empty() {
                    expected.remove(&key);
                } else {
                    expected.insert(key, value);
                }
            }
            let now_ms = NOW_MS + day as i64;
            for point in crash_points(dir.path(), &partition, now_ms) {
                let reopened =
                    Partition::open(point.path().to_owned(), config.clone(), LAZY).unwrap();
                prop_assert_eq!(newest(&reopened), expected.clone());
                prop_assert_eq!(reopened.offsets(), partition.offsets());
                check_files(point.path(), &reopened);
                compact_all(&reopened, now_ms + 1);
                prop_assert_eq!(newest(&reopened), expected.clone());
            }
            prop_assert_eq!(newest(&partition), expected.clone());
            check_files(dir.path(), &partition);
        }
    }
}

/// Segments do not overlap, and there is no file but theirs.
fn check_files(dir: &Path, partition: &Partition) {
    let segments = partition.with_log(|log| {
        assert!(log.segments.windows(2).all(|it| it[0].index.next_offset <= it[1].base_offset));
        log.segments.iter().map(|it| it.base_offset).collect::<Vec<_>>()
    });
    assert_eq!(files::offsets(dir, files::SEGMENT).unwrap(), segments);
}

#[tokio::test]
async fn a_reader_gets_to_the_end_when_the_last_record_went() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &small_segments());
    put(&partition, &[("a", "1")]).await;
    let without_key = build(Writer::default(), NOW_MS, [(None, Some(&b"no key"[..]))]);
    partition.append(without_key, NOW_MS).await.unwrap();
    partition.set_config(compacted());
    compact_all(&partition, NOW_MS);
    assert_eq!(all_values(&partition), ["1"]);
    let mut bytes = partition.fetch(1, 1000, Isolation::ReadUncommitted).unwrap().records;
    assert_eq!(Batch::split(&mut bytes).unwrap().header.next_offset(), 2);
    assert_eq!(partition.max_timestamp(), Some((0, NOW_MS)));
}

#[tokio::test]
async fn compaction_does_not_make_a_producer_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &compacted());
    let batch = |sequence| {
        build(
            Writer::idempotent(7, 0, sequence, false),
            NOW_MS,
            [(Some(&b"a"[..]), Some(&b"value"[..]))],
        )
    };
    for sequence in 0..20 {
        partition.append(batch(sequence), NOW_MS).await.unwrap();
    }
    put(&partition, &[("a", "newest")]).await;
    compact_all(&partition, NOW_MS);
    assert_eq!(all_values(&partition), ["newest"]);
    let partition = open(dir.path(), &compacted());
    assert_eq!(partition.append(batch(18), NOW_MS).await.unwrap().base_offset, 18);
    assert_eq!(partition.append(batch(22), NOW_MS).await.unwrap_err().error_code(), 45);
    assert_eq!(partition.append(batch(20), NOW_MS).await.unwrap().base_offset, 21);
}

#[tokio::test]
async fn batches_without_records_do_not_pile_up() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &compacted());
    for _ in 0..5 {
        partition.set_config(small_segments());
        let without_key = build(Writer::default(), NOW_MS, [(None, Some(&b"no key"[..]))]);
        partition.append(without_key, NOW_MS).await.unwrap();
        partition.set_config(compacted());
        compact_all(&partition, NOW_MS);
    }
    put(&partition, &[("a", "2")]).await;
    compact_all(&partition, NOW_MS);
    let mut bytes = partition.fetch(0, 1 << 20, Isolation::ReadUncommitted).unwrap().records;
    let mut empty = 0;
    while !bytes.is_empty() {
        let batch = Batch::split(&mut bytes).unwrap();
        empty += usize::from(batch.header.records_count == 0);
    }
    assert_eq!(empty, 0);
}

#[tokio::test]
async fn a_committed_transaction_stays_so_without_its_marker_and_every_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &compacted());
    let record = (Some(&b"a"[..]), Some(&b"committed"[..]));
    let batch = build(Writer::idempotent(7, 0, 0, true), NOW_MS, [record]);
    partition.append(batch, NOW_MS).await.unwrap();
    partition.append_marker(7, 0, Marker::Commit, NOW_MS).await.unwrap();
    for day in [0, 2] {
        put(&partition, &[("b", "so that something is dirty")]).await;
        compact_all(&partition, NOW_MS + day * DAY_MS);
    }
    for offset in files::offsets(dir.path(), files::SNAPSHOT).unwrap() {
        fs::remove_file(files::path(dir.path(), offset, files::SNAPSHOT)).unwrap();
    }
    let partition = open(dir.path(), &compacted());
    assert_eq!(partition.open_transactions(), []);
    assert_eq!(partition.offsets().last_stable, partition.offsets().high_watermark);
    assert_eq!(read_from(&partition, 0, Isolation::ReadCommitted)[0].value, "committed");
}

#[tokio::test]
async fn a_log_that_was_not_compacted_can_become_one() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &small_segments());
    let without_key = build(Writer::default(), NOW_MS, [(None, Some(&b"no key"[..]))]);
    partition.append(without_key, NOW_MS).await.unwrap();
    put(&partition, &[("a", "1")]).await;
    put(&partition, &[("a", "2")]).await;
    partition.set_config(compacted());
    compact_all(&partition, NOW_MS);
    assert_eq!(all_values(&partition), ["2"]);
}
