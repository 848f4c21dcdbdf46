//! What retention removes, what deleting records does, and looking up times.

use super::small_segments;
use crate::log::record::{Writer, build};
use crate::log::testing::{NOW_MS, all_values, open, values};
use crate::partition::{FetchError, Isolation, LogConfig, Partition};
use bytes::Bytes;
use std::path::Path;

/// A batch of records that all have this time.
fn at(timestamp_ms: i64, count: usize) -> Bytes {
    let value = "some value that fills the segment".as_bytes();
    build(Writer::default(), timestamp_ms, (0..count).map(|_| (None, Some(value))))
}

async fn hours(dir: &Path, config: &LogConfig) -> Partition {
    let partition = open(dir, config);
    for hour in 0..10 {
        let now_ms = NOW_MS + hour * 3_600_000;
        partition.append(at(now_ms, 8), now_ms).await.unwrap();
    }
    partition
}

#[tokio::test]
async fn old_segments_go_and_the_start_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { retention_ms: Some(3_600_000), ..small_segments() };
    let partition = hours(dir.path(), &config).await;
    partition.maintain(NOW_MS + 5 * 3_600_000).unwrap();
    assert_eq!(partition.offsets().log_start, 4 * 8);
    let partition = open(dir.path(), &config);
    assert_eq!(partition.offsets().log_start, 4 * 8);
    assert_eq!(all_values(&partition).len(), 6 * 8);
    let before = partition.fetch(31, 1000, Isolation::ReadUncommitted);
    assert!(matches!(before, Err(FetchError::OutOfRange(_))));
}

/// The files of a directory, by name.
fn content(dir: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap())).collect()
}

#[tokio::test]
async fn the_start_does_not_go_back_when_a_crash_leaves_what_retention_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { retention_ms: Some(3_600_000), ..small_segments() };
    let partition = hours(dir.path(), &config).await;
    let before = content(dir.path());
    partition.maintain(NOW_MS + 5 * 3_600_000).unwrap();
    let start = partition.offsets().log_start;
    assert_eq!(start, 4 * 8);
    // As if none of the removals had reached the disk.
    for (name, bytes) in before {
        if !dir.path().join(&name).exists() {
            std::fs::write(dir.path().join(&name), bytes).unwrap();
        }
    }
    let partition = open(dir.path(), &config);
    assert_eq!(partition.offsets().log_start, start);
    partition.maintain(NOW_MS + 5 * 3_600_000).unwrap();
    assert_eq!(all_values(&partition).len(), 6 * 8);
}

#[tokio::test]
async fn a_full_disk_does_not_keep_retention_from_making_room() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { retention_ms: Some(3_600_000), ..small_segments() };
    let partition = hours(dir.path(), &config).await;
    let size = partition.size_bytes();
    // In the way of the file that the log start is written to.
    std::fs::create_dir(dir.path().join("log-start.tmp")).unwrap();
    partition.maintain(NOW_MS + 5 * 3_600_000).unwrap();
    assert_eq!(partition.offsets().log_start, 4 * 8);
    assert!(partition.size_bytes() < size);
    let segments = content_of_segments(dir.path());
    assert!(segments < size, "{segments} of {size} bytes are left");
}

fn content_of_segments(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let segments = entries.filter(|it| it.path().extension().is_some_and(|it| it == "log"));
    segments.map(|segment| segment.metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn when_all_is_old_offsets_still_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { retention_ms: Some(3_600_000), ..small_segments() };
    let partition = hours(dir.path(), &config).await;
    partition.maintain(NOW_MS + 100 * 3_600_000).unwrap();
    assert_eq!(partition.size_bytes(), 0);
    for partition in [partition, open(dir.path(), &config)] {
        let offsets = partition.offsets();
        assert_eq!((offsets.log_start, offsets.high_watermark), (80, 80));
    }
    let appended = open(dir.path(), &config).append(values(&["a"]), NOW_MS).await.unwrap();
    assert_eq!(appended.base_offset, 80);
}

#[tokio::test]
async fn the_oldest_segments_go_while_the_rest_is_large_enough() {
    let dir = tempfile::tempdir().unwrap();
    let partition = hours(dir.path(), &small_segments()).await;
    let size = partition.size_bytes();
    partition.set_config(LogConfig { retention_bytes: Some(size / 2), ..small_segments() });
    partition.maintain(NOW_MS).unwrap();
    assert!(partition.size_bytes() >= size / 2 && partition.size_bytes() < size * 6 / 10);
    // Never the active one.
    partition.set_config(LogConfig { retention_bytes: Some(0), ..small_segments() });
    partition.maintain(NOW_MS).unwrap();
    assert_eq!(all_values(&partition).len(), 8);
}

#[tokio::test]
async fn nothing_goes_without_the_delete_policy() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig {
        delete: false,
        retention_ms: Some(1),
        retention_bytes: Some(1),
        ..small_segments()
    };
    let partition = hours(dir.path(), &config).await;
    partition.maintain(NOW_MS + 100 * 3_600_000).unwrap();
    assert_eq!(all_values(&partition).len(), 80);
}

#[tokio::test]
async fn deleted_records_stay_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let partition = hours(dir.path(), &small_segments()).await;
    let size = partition.size_bytes();
    assert_eq!(partition.delete_records(19).unwrap(), 19);
    assert_eq!(partition.delete_records(5).unwrap(), 19);
    assert!(matches!(partition.delete_records(81), Err(FetchError::OutOfRange(_))));
    for partition in [partition, open(dir.path(), &small_segments())] {
        assert_eq!(partition.offsets().log_start, 19);
        assert_eq!(all_values(&partition).len(), 61);
        partition.maintain(NOW_MS).unwrap();
        assert_eq!(all_values(&partition).len(), 61);
        assert!(partition.size_bytes() < size);
    }
    let partition = open(dir.path(), &small_segments());
    assert_eq!(partition.delete_records(-1).unwrap(), 80);
    partition.maintain(NOW_MS).unwrap();
    let partition = open(dir.path(), &small_segments());
    assert_eq!(partition.offsets().log_start, 80);
    assert_eq!(partition.append(values(&["a"]), NOW_MS).await.unwrap().base_offset, 80);
}

#[tokio::test]
async fn finds_the_first_record_at_or_after_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &small_segments());
    // Times that do not only rise, over several segments.
    let times = [50, 10, 70, 70, 30, 90, 20, 60, 100, 80];
    for time in times {
        partition.append(at(NOW_MS + time, 3), NOW_MS).await.unwrap();
    }
    let check = |partition: &Partition, from: usize| {
        for wanted in 0..=101 {
            let expected = (from..30)
                .map(|offset| (offset as i64, times[offset / 3]))
                .find(|it| it.1 >= wanted);
            let expected = expected.map(|(offset, time)| (offset, NOW_MS + time));
            let found = partition.offset_for_timestamp(NOW_MS + wanted).unwrap();
            assert_eq!(found, expected, "{wanted} from {from}");
        }
        assert_eq!(partition.max_timestamp(), Some((24, NOW_MS + 100)));
    };
    check(&partition, 0);
    partition.delete_records(10).unwrap();
    check(&partition, 10);
    partition.close().unwrap();
    check(&open(dir.path(), &small_segments()), 10);
}

#[tokio::test]
async fn the_broker_sets_the_time_where_the_topic_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { log_append_time: true, ..LogConfig::default() };
    let partition = open(dir.path(), &config);
    let appended = partition.append(at(5, 3), NOW_MS).await.unwrap();
    assert_eq!(appended.log_append_time_ms, NOW_MS);
    // Reading checks the checksum, which had to be made anew.
    assert_eq!(all_values(&partition).len(), 3);
    assert_eq!(partition.offset_for_timestamp(6).unwrap(), Some((0, NOW_MS)));
    assert_eq!(all_values(&open(dir.path(), &config)).len(), 3);
}
