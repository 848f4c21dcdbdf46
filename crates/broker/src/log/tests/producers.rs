//! Idempotent producers and transactions (KIP-98), also over restarts.

use super::small_segments;
use crate::log::record::{Marker, Writer};
use crate::log::testing::{NOW_MS, by, open, read_from};
use crate::partition::{AppendError, Isolation, LogConfig, Partition};
use std::path::Path;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Appends one batch of producer 7 and says its offset, or the error's code.
async fn send(partition: &Partition, epoch: i16, sequence: i32, count: usize) -> Result<i64, i16> {
    let batch = by(Writer::idempotent(7, epoch, sequence, false), &vec!["x"; count]);
    let appended = partition.append(batch, NOW_MS).await;
    appended.map(|it| it.base_offset).map_err(|error| error.error_code())
}

const OUT_OF_ORDER: Result<i64, i16> = Err(45);
const FENCED: Result<i64, i16> = Err(47);

/// Runs a check on the log, and again after each kind of restart.
async fn and_after_restarts<F: AsyncFn(&Partition)>(dir: &Path, config: &LogConfig, check: F) {
    let partition = open(dir, config);
    check(&partition).await;
    let partition = open(dir, config); // as after a kill
    check(&partition).await;
    partition.close().unwrap();
    check(&open(dir, config)).await;
}

#[tokio::test]
async fn a_repeated_batch_is_stored_once_and_a_gap_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_segments();
    let partition = open(dir.path(), &config);
    for n in 0..7 {
        assert_eq!(send(&partition, 0, n * 2, 2).await, Ok(i64::from(n) * 2));
    }
    and_after_restarts(dir.path(), &config, async |partition| {
        // The last five are remembered, in any order.
        for n in [6, 2, 4, 3, 5] {
            assert_eq!(send(partition, 0, n * 2, 2).await, Ok(i64::from(n) * 2));
        }
        assert_eq!(send(partition, 0, 2, 2).await, OUT_OF_ORDER);
        assert_eq!(send(partition, 0, 12, 1).await, OUT_OF_ORDER);
        assert_eq!(send(partition, 0, 15, 1).await, OUT_OF_ORDER);
        assert_eq!(partition.offsets().high_watermark, 14);
    })
    .await;
    assert_eq!(send(&open(dir.path(), &config), 0, 14, 1).await, Ok(14));
}

#[tokio::test]
async fn a_new_epoch_begins_at_zero_and_fences_the_old() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    assert_eq!(send(&partition, 0, 0, 1).await, Ok(0));
    assert_eq!(send(&partition, 1, 1, 1).await, OUT_OF_ORDER);
    assert_eq!(send(&partition, 1, 0, 1).await, Ok(1));
    and_after_restarts(dir.path(), &LogConfig::default(), async |partition| {
        assert_eq!(send(partition, 0, 1, 1).await, FENCED);
        assert_eq!(send(partition, 0, 0, 1).await, FENCED);
        assert_eq!(send(partition, 1, 0, 1).await, Ok(1));
    })
    .await;
}

#[tokio::test]
async fn sequences_wrap_and_an_unknown_producer_begins_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    assert_eq!(send(&partition, 0, i32::MAX - 1, 4).await, Ok(0));
    and_after_restarts(dir.path(), &LogConfig::default(), async |partition| {
        assert_eq!(send(partition, 0, i32::MAX - 1, 4).await, Ok(0));
        assert_eq!(send(partition, 0, 1, 1).await, OUT_OF_ORDER);
    })
    .await;
    assert_eq!(send(&partition, 0, 2, 1).await, Ok(4));
    assert_eq!(send(&partition, 0, 3, 1).await, Ok(5));
}

#[tokio::test]
async fn a_producer_is_forgotten_after_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    assert_eq!(send(&partition, 0, 0, 1).await, Ok(0));
    partition.maintain(NOW_MS + DAY_MS - 1).unwrap();
    assert_eq!(send(&partition, 0, 9, 1).await, OUT_OF_ORDER);
    partition.maintain(NOW_MS + DAY_MS).unwrap();
    assert_eq!(send(&partition, 0, 9, 1).await, Ok(1));
}

#[tokio::test]
async fn a_batch_that_no_client_makes_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    let valid = by(Writer::idempotent(7, 0, 0, true), &["a"]);
    let check = async |change: &dyn Fn(&mut Vec<u8>), fix_crc: bool, code: i16| {
        let mut bytes = valid.to_vec();
        change(&mut bytes);
        if fix_crc {
            let crc = crc32c::crc32c(&bytes[21..]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        let error = partition.append(bytes.into(), NOW_MS).await.unwrap_err();
        assert_eq!(error.error_code(), code, "{error}");
    };
    check(&|it| it[65] ^= 1, false, 2).await; // a flipped bit
    check(&|it| it[16] = 1, false, 43).await; // an old format
    check(&|it| it.truncate(60), false, 2).await;
    check(&|it| it.clear(), false, 87).await;
    check(&|it| it[8..12].copy_from_slice(&i32::MAX.to_be_bytes()), false, 2).await;
    check(&|it| it[8..12].copy_from_slice(&(-1_i32).to_be_bytes()), false, 87).await;
    check(&|it| it[26] = 1, true, 87).await; // last offset delta
    check(&|it| it[57..61].fill(0xff), true, 87).await; // number of records
    check(&|it| it[22] |= 0x20, true, 87).await; // a control batch
    check(&|it| it[22] |= 7, true, 87).await; // an unknown codec
    check(&|it| it[43..51].fill(0xff), true, 87).await; // transactional, but no producer
    check(&|it| it[53..57].fill(0xff), true, 87).await; // a producer, but no sequence
    check(&|it| it.extend_from_within(..), false, 87).await; // two batches of one producer
    assert_eq!(partition.offsets().high_watermark, 0);
    partition.append(valid.clone(), NOW_MS).await.unwrap();

    partition.set_config(LogConfig { max_message_bytes: 60, ..LogConfig::default() });
    let error = partition.append(valid.clone(), NOW_MS).await.unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { .. }), "{error}");
    partition.set_config(LogConfig { compact: true, ..LogConfig::default() });
    let error = partition.append(valid, NOW_MS).await.unwrap_err();
    assert!(matches!(error, AppendError::Records(_)), "{error}");
}

/// Appends a batch of a transaction.
async fn write(partition: &Partition, producer: i64, sequence: i32, value: &str) {
    let batch = by(Writer::idempotent(producer, 0, sequence, true), &[value]);
    partition.append(batch, NOW_MS).await.unwrap();
}

async fn end(partition: &Partition, producer: i64, marker: Marker) {
    partition.append_marker(producer, 0, marker, NOW_MS).await.unwrap();
}

fn committed(partition: &Partition) -> Vec<String> {
    let seen = read_from(partition, 0, Isolation::ReadCommitted);
    seen.into_iter().map(|it| it.value).collect()
}

#[tokio::test]
async fn readers_of_committed_data_see_whole_committed_transactions_only() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_segments();
    let partition = open(dir.path(), &config);
    write(&partition, 1, 0, "1a").await;
    write(&partition, 2, 0, "2a").await;
    end(&partition, 2, Marker::Commit).await;
    and_after_restarts(dir.path(), &config, async |partition| {
        assert_eq!(partition.offsets().last_stable, 0);
        assert_eq!(committed(partition), Vec::<String>::new());
    })
    .await;
    let partition = open(dir.path(), &config);
    write(&partition, 1, 1, "1b").await;
    end(&partition, 1, Marker::Abort).await;
    write(&partition, 1, 2, "1c").await;
    write(&partition, 3, 0, "3a").await;
    end(&partition, 1, Marker::Commit).await;
    and_after_restarts(dir.path(), &config, async |partition| {
        assert_eq!(committed(partition), ["2a", "1c"]);
        assert_eq!(partition.offsets().last_stable, 6);
        // From the middle of the aborted transaction too.
        for offset in 0..6 {
            let seen = read_from(partition, offset, Isolation::ReadCommitted);
            assert!(seen.iter().all(|it| it.value == "2a" || it.value == "1c"), "{offset}");
        }
    })
    .await;
    let partition = open(dir.path(), &config);
    end(&partition, 3, Marker::Abort).await;
    for _ in 0..3 {
        end(&partition, 3, Marker::Abort).await; // nothing is open, so nothing is written
    }
    assert_eq!(partition.offsets().last_stable, 9);
    assert_eq!(committed(&partition), ["2a", "1c"]);
    // Readers of everything get the records, not the markers.
    let all = read_from(&partition, 0, Isolation::ReadUncommitted);
    let all: Vec<String> = all.into_iter().map(|it| it.value).collect();
    assert_eq!(all, ["1a", "2a", "1b", "1c", "3a"]);
}

#[tokio::test]
async fn a_marker_fences_older_epochs() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    write(&partition, 7, 0, "a").await;
    partition.append_marker(7, 1, Marker::Abort, NOW_MS).await.unwrap();
    and_after_restarts(dir.path(), &LogConfig::default(), async |partition| {
        assert_eq!(send(partition, 0, 1, 1).await, FENCED);
        let error = partition.append_marker(7, 0, Marker::Commit, NOW_MS).await.unwrap_err();
        assert_eq!(error.error_code(), 47);
        assert_eq!(send(partition, 1, 5, 1).await, OUT_OF_ORDER);
    })
    .await;
    assert_eq!(send(&partition, 1, 0, 1).await, Ok(2));
}

#[tokio::test]
async fn a_plain_batch_inside_a_transaction_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    write(&partition, 7, 0, "a").await;
    assert_eq!(send(&partition, 0, 1, 1).await, Err(48));
}

#[tokio::test]
async fn many_aborted_transactions_are_all_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    let mut expected = Vec::new();
    // Transactions that overlap in groups of three; only the middle one commits.
    for round in 0..10 {
        for producer in 0..3 {
            let value = format!("{round}-{producer}");
            write(&partition, producer, round, &value).await;
            if producer == 1 {
                expected.push(value);
            }
        }
        for producer in [2, 0, 1] {
            let marker = if producer == 1 { Marker::Commit } else { Marker::Abort };
            end(&partition, producer, marker).await;
        }
    }
    let whole = |offset| partition.fetch(offset, 1 << 20, Isolation::ReadCommitted).unwrap();
    assert_eq!(whole(0).aborted.len(), 20);
    // Those that ended before are left out.
    assert_eq!(whole(30).aborted.len(), 10);
    and_after_restarts(dir.path(), &LogConfig::default(), async |partition| {
        assert_eq!(committed(partition), expected);
    })
    .await;
}

#[tokio::test]
async fn the_last_stable_offset_is_never_below_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let partition = open(dir.path(), &LogConfig::default());
    write(&partition, 7, 0, "a").await;
    write(&partition, 7, 1, "b").await;
    partition.delete_records(1).unwrap();
    and_after_restarts(dir.path(), &LogConfig::default(), async |partition| {
        let offsets = partition.offsets();
        assert_eq!((offsets.log_start, offsets.last_stable), (1, 1));
        // A reader that was told so may ask there, and gets nothing yet.
        assert_eq!(read_from(partition, 1, Isolation::ReadCommitted), []);
    })
    .await;
}
