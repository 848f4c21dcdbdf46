//! A partition as its callers see it: appending, reading, waiting.

use super::*;
use crate::log::record::{Writer, build};
use crate::log::testing::{LAZY, NOW_MS, all_values, open, read_from, values};

fn small_segments() -> LogConfig {
    LogConfig { segment_bytes: 500, ..LogConfig::default() }
}

#[tokio::test]
async fn reads_back_what_was_appended_over_segments_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for round in 0..3 {
        let partition = open(dir.path(), &small_segments());
        assert_eq!(all_values(&partition), expected);
        for n in 0..20_i64 {
            let value = format!("{round}-{n}");
            let appended = partition.append(values(&[&value, "x"]), NOW_MS).await.unwrap();
            assert_eq!(appended.base_offset, expected.len() as i64);
            expected.extend([value, "x".to_owned()]);
        }
        if round == 1 {
            partition.close().unwrap();
        }
    }
    let partition = open(dir.path(), &small_segments());
    assert_eq!(all_values(&partition), expected);
    // From the middle of a batch too: whole batches come, and the reader skips.
    for offset in 0..expected.len() {
        let seen = read_from(&partition, offset as i64, Isolation::ReadCommitted);
        let seen: Vec<String> = seen.into_iter().map(|it| it.value).collect();
        assert_eq!(seen, expected[offset..]);
    }
}

#[tokio::test]
async fn a_full_disk_is_reported_once_until_it_takes_records_again() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    let full = Err(io::Error::from(io::ErrorKind::StorageFull).into());
    assert!(partition.began_to_refuse(&full));
    assert!(!partition.began_to_refuse(&full));
    let closed = Err(AppendError::Closed);
    assert!(!partition.began_to_refuse(&closed), "that is another matter");
    assert!(!partition.began_to_refuse(&full));
    let taken = partition.append(values(&["a"]), NOW_MS).await;
    assert!(!partition.began_to_refuse(&taken));
    assert!(partition.began_to_refuse(&full));
}

#[tokio::test]
async fn fetch_gives_whole_batches_up_to_the_asked_size_but_at_least_one() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    let large = "x".repeat(50_000);
    let batch = values(&[&large]);
    for _ in 0..4 {
        partition.append(batch.clone(), NOW_MS).await.unwrap();
    }
    let fetched = |max_bytes| {
        partition.fetch(1, max_bytes, Isolation::ReadUncommitted).unwrap().records.len()
    };
    assert_eq!(fetched(1), batch.len());
    assert_eq!(fetched(2 * batch.len()), 2 * batch.len());
    assert_eq!(fetched(3 * batch.len() - 1), 2 * batch.len());
    assert_eq!(fetched(1 << 20), 3 * batch.len());
}

#[tokio::test]
async fn offsets_outside_of_the_log_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    partition.append(values(&["a", "b"]), NOW_MS).await.unwrap();
    let fetch = |offset| partition.fetch(offset, 100, Isolation::ReadUncommitted);
    assert!(fetch(2).unwrap().records.is_empty());
    for offset in [-1, 3, i64::MAX, i64::MIN] {
        assert!(matches!(fetch(offset), Err(FetchError::OutOfRange(_))), "{offset}");
    }
}

#[tokio::test]
async fn a_waiter_is_notified_once_more_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    for fsync in [LAZY, Fsync::Always] {
        let partition = Partition::open(dir.path().join("p"), LogConfig::default(), fsync).unwrap();
        let waiter = Arc::new(Notify::new());
        partition.notify_on_advance(&waiter);
        let before = partition.offsets().high_watermark;
        partition.append(values(&["a"]), NOW_MS).await.unwrap();
        waiter.notified().await;
        assert_eq!(partition.offsets().high_watermark, before + 1);
    }
}

#[tokio::test]
async fn appends_share_flushes_and_all_are_visible_when_answered() {
    let dir = tempfile::tempdir().unwrap();
    let partition =
        Partition::open(dir.path().to_owned(), LogConfig::default(), Fsync::Always).unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let partition = partition.clone();
            tokio::spawn(async move {
                let appended = partition.append(values(&["a"]), NOW_MS).await.unwrap();
                assert!(partition.offsets().high_watermark > appended.base_offset);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(partition.offsets().high_watermark, 20);
}

#[tokio::test]
async fn a_closed_partition_changes_no_file_but_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &small_segments());
    for _ in 0..10 {
        partition.append(values(&["a"]), NOW_MS).await.unwrap();
    }
    let waiter = Arc::new(Notify::new());
    partition.notify_on_advance(&waiter);
    partition.close().unwrap();
    waiter.notified().await;
    // As when the topic is deleted and made anew.
    std::fs::remove_dir_all(dir.path()).unwrap();
    std::fs::create_dir(dir.path()).unwrap();
    assert!(matches!(partition.append(values(&["b"]), NOW_MS).await, Err(AppendError::Closed)));
    partition.set_config(LogConfig { segment_ms: 0, retention_ms: Some(0), ..small_segments() });
    partition.maintain(NOW_MS + 1).unwrap();
    partition.flush().unwrap();
    partition.delete_records(5).unwrap_err();
    partition.close().unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    assert_eq!(all_values(&partition).len(), 10);
}

#[tokio::test]
async fn finds_every_offset_and_time_in_a_large_segment() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    for n in 0..100_usize {
        let value = format!("{n} {}", "x".repeat(n * 37 % 5000));
        let records = [(None, Some(value.as_bytes())); 3];
        let batch = build(Writer::default(), NOW_MS + n as i64 * 7 % 100, records);
        partition.append(batch, NOW_MS).await.unwrap();
    }
    for offset in 0..300_i64 {
        let fetched = partition.fetch(offset, 1, Isolation::ReadCommitted).unwrap();
        let header = Batch::split(&mut fetched.records.clone()).unwrap().header;
        assert_eq!(header.base_offset, offset / 3 * 3);
        assert_eq!(header.size_bytes, fetched.records.len());
    }
    for time in 0..100 {
        let first = (0..100).find(|n| n * 7 % 100 >= time).unwrap();
        let expected = Some((first * 3, NOW_MS + first * 7 % 100));
        assert_eq!(partition.offset_for_timestamp(NOW_MS + time).unwrap(), expected);
    }
}

#[tokio::test]
async fn what_is_on_the_disk_is_acknowledged_without_its_index() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let partition = Partition::open(path, small_segments(), Fsync::Always).unwrap();
    // In the way of the first segment's index file, which is written once the segment is sealed.
    std::fs::create_dir(dir.path().join("00000000000000000000.tmp")).unwrap();
    for offset in 0..20 {
        let appended = partition.append(values(&["some value"]), NOW_MS).await.unwrap();
        assert_eq!(appended.base_offset, offset);
        assert_eq!(partition.offsets().high_watermark, offset + 1);
    }
}

/// Lets a partition's file work take as long as the test holds the guard.
fn slow_disk(partition: &Partition) -> MutexGuard<'_, ()> {
    lock(&partition.shared.writing)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slow_disk_holds_up_the_appends_of_its_partition_only() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig::default();
    let slow = Partition::open(dir.path().join("slow"), config.clone(), LAZY).unwrap();
    let other = Partition::open(dir.path().join("other"), config, LAZY).unwrap();
    slow.append(values(&["a"]), NOW_MS).await.unwrap();
    let (busy, is_busy) = std::sync::mpsc::channel();
    let (recover, recovers) = std::sync::mpsc::channel();
    let disk = std::thread::spawn({
        let slow = slow.clone();
        move || {
            let _writing = slow_disk(&slow);
            busy.send(()).unwrap();
            recovers.recv().unwrap();
        }
    });
    is_busy.recv().unwrap();
    // More than the runtime has threads for work that blocks.
    let appends: Vec<_> = (0..600)
        .map(|_| {
            let slow = slow.clone();
            tokio::spawn(async move { slow.append(values(&["b"]), NOW_MS).await.unwrap() })
        })
        .collect();
    let others = tokio::spawn(async move {
        for offset in 0..20 {
            let appended = other.append(values(&["c"]), NOW_MS).await.unwrap();
            assert_eq!(appended.base_offset, offset);
            assert_eq!(read_from(&slow, 0, Isolation::ReadUncommitted).len(), 1);
            assert_eq!(slow.offset_for_timestamp(NOW_MS).unwrap(), Some((0, NOW_MS)));
        }
    });
    let others = tokio::time::timeout(std::time::Duration::from_secs(30), others).await;
    others.expect("a disk that is slow for one partition holds up another").unwrap();
    assert!(appends.iter().all(|append| !append.is_finished()));
    recover.send(()).unwrap();
    disk.join().unwrap();
    for append in appends {
        append.await.unwrap();
    }
}
