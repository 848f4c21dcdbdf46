//! The totals topic: slots, strangers, contradictions, lag.

use std::time::Duration;

use erboh::consumer::view::{BoardView, PartitionState};
use erboh::queue::{OutRecord, Reader};
use erboh::totals::{PartitionTotals, Record, Snapshot};

use super::bench::{Bench, PATIENCE, send, until, until_counted};
use super::broker::{On, on_both};

on_both!(
    snapshots_go_round_through_eight_slots_and_the_group_offset_follows,
    a_stopping_replica_leaves_nothing_to_count_again,
    a_late_old_snapshot_is_followed_by_the_newest_again,
    two_different_totals_of_the_same_log_raise_an_alarm,
    nonsense_in_the_totals_topic_does_no_harm,
    the_newest_snapshot_that_fits_the_log_wins_and_supersedes_the_others,
    totals_of_a_later_program_are_not_written_over,
);

fn in_slot(slot: &str, snapshot: &Snapshot) -> OutRecord {
    OutRecord { partition: Some(snapshot.partition), ..OutRecord::new(slot, snapshot.to_json()) }
}

async fn snapshots_go_round_through_eight_slots_and_the_group_offset_follows(on: On) {
    let mut bench = Bench::new(on, 1).await;
    for _ in 0..3 {
        let engine = bench.start();
        for _ in 0..6 {
            bench.rate(1).await;
            until_counted(&engine, bench.sent).await;
            // One by one, so that each of them has a snapshot.
            bench.until_covered(0, bench.sent as i64).await;
        }
        engine.stop().await;
    }
    let snapshots = bench.snapshots(0).await;
    assert!(snapshots.len() >= 18, "{snapshots:#?}");
    for (expected, (slot, _)) in snapshots.iter().enumerate() {
        assert_eq!(*slot, (expected % 8).to_string());
    }
    let position = |(_, snapshot): &(String, Snapshot)| snapshot.next_offset;
    assert!(snapshots.iter().map(position).is_sorted());
    assert_eq!(snapshots.iter().map(position).max(), Some(bench.sent as i64));
    let generations: Vec<i32> = snapshots.iter().map(|(_, of)| of.generation).collect();
    assert!(generations.is_sorted() && generations.last() == Some(&3), "{generations:?}");

    let (kafka, settings) = (bench.kafka.clone(), bench.settings.clone());
    let committed = move || {
        let reader = Reader::for_ranges(&kafka, &settings.group).unwrap();
        reader.committed(&settings.topics.ratings, 0).unwrap()
    };
    let committed = tokio::task::spawn_blocking(committed).await.unwrap();
    assert_eq!(committed, Some(bench.sent as i64));
}

async fn a_stopping_replica_leaves_nothing_to_count_again(on: On) {
    let mut bench = Bench::new(on, 3).await;
    let mut settings = bench.settings.clone();
    // After the first snapshot of each partition, none is due but the last.
    settings.snapshot_interval = Duration::from_hours(1);
    settings.snapshot_distance = i64::MAX;
    let engine = bench.start_with(&settings);
    for _ in 0..2 {
        bench.rate(30).await;
        until_counted(&engine, bench.sent).await;
    }
    assert!(covered(&bench).await < 60);
    engine.stop().await;
    assert_eq!(covered(&bench).await, 60);
}

/// How many ratings the newest snapshots hold together.
async fn covered(bench: &Bench) -> u64 {
    let mut counted = 0;
    for partition in 0..bench.settings.partitions {
        counted += bench.snapshots(partition).await.pop().map_or(0, |(_, last)| last.counted);
    }
    counted
}

async fn a_late_old_snapshot_is_followed_by_the_newest_again(on: On) {
    let mut bench = Bench::new(on, 1).await;
    let engine = bench.start();
    for _ in 0..3 {
        bench.rate(2).await;
        until_counted(&engine, bench.sent).await;
        bench.until_covered(0, bench.sent as i64).await;
    }
    engine.stop().await;
    let (_, mut old) = bench.snapshots(0).await.remove(0);
    assert!(old.next_offset < 6);

    let engine = bench.start();
    // What stands there before the take-over is weighed by it; this one comes later.
    let owned = |view: &BoardView| {
        view.partitions.first().is_some_and(|of| of.state == PartitionState::Owned)
    };
    until(&mut engine.board(), "owned", owned).await;
    old.writer = "zombie".into();
    send(&bench.totals, vec![in_slot("0", &old)]).await;
    // The board does not go back, and the last snapshot in the log is the newest again.
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let (_, last) = bench.snapshots(0).await.pop().unwrap();
        if last.next_offset == 6 && last.writer != "zombie" {
            break;
        }
        assert!(std::time::Instant::now() < end, "the newest snapshot was not written again");
    }
    until_counted(&engine, 6).await;
    engine.stop().await;
}

async fn two_different_totals_of_the_same_log_raise_an_alarm(on: On) {
    let mut bench = Bench::new(on, 1).await;
    let engine = bench.start();
    bench.rate(2).await;
    let view = until_counted(&engine, 2).await;
    let mut forged = view.board.snapshots()[&0].as_ref().clone();
    let (from, to) = ("\"Big Bird\"", "\"Big Burd\"");
    let json = String::from_utf8(forged.to_json()).unwrap().replace(from, to);
    forged = Snapshot::from_json(json.as_bytes()).unwrap();
    forged.writer = "forger".into();
    send(&bench.totals, vec![in_slot("7", &forged)]).await;
    let view = until(&mut engine.board(), "an alarm", |view| view.alarm.is_some()).await;
    assert!(view.alarm.as_ref().unwrap().contains("partition 0"), "{:?}", view.alarm);
    engine.stop().await;
}

async fn nonsense_in_the_totals_topic_does_no_harm(on: On) {
    let mut bench = Bench::new(on, 1).await;
    let engine = bench.start();
    bench.rate(2).await;
    until_counted(&engine, 2).await;
    engine.stop().await;
    let nonsense =
        |key: &str, value: &str| OutRecord { partition: Some(0), ..OutRecord::new(key, value) };
    // More than the first look at the end of the log takes in.
    let mut records: Vec<OutRecord> = (0..100).map(|_| nonsense("0", "{}")).collect();
    records.push(nonsense("slot", "not json"));
    records.push(nonsense("200", "{\"fold\":1}"));
    send(&bench.totals, records).await;
    bench.rate(2).await;
    let engine = bench.start();
    until_counted(&engine, 4).await;
    engine.stop().await;
}

async fn the_newest_snapshot_that_fits_the_log_wins_and_supersedes_the_others(on: On) {
    let mut bench = Bench::new(on, 1).await;
    let engine = bench.start();
    bench.rate(4).await;
    until_counted(&engine, 4).await;
    engine.stop().await;
    // What a log would leave behind that lost its last two records after they were counted.
    let (slot, newest) = bench.snapshots(0).await.pop().unwrap();
    let mut totals = PartitionTotals::resume(newest);
    for offset in [4, 5] {
        let value = Some(b"A vs B|Big Bird|Macho Man|0".as_slice());
        totals.apply(Record { offset, timestamp_ms: 1, key: None, value });
    }
    let slot = (slot.parse::<u8>().unwrap() + 1) % 8;
    let lost = totals.snapshot("unlucky", 1);
    send(&bench.totals, vec![in_slot(&slot.to_string(), &lost)]).await;

    let engine = bench.start();
    bench.rate(1).await;
    let view = until(&mut engine.board(), "a later epoch", |view| {
        view.board.snapshots().get(&0).is_some_and(|of| of.epoch == 1 && of.counted == 5)
    })
    .await;
    assert_eq!(view.alarm, None);
    engine.stop().await;
    let engine = bench.start();
    bench.rate(1).await;
    until_counted(&engine, 6).await;
    engine.stop().await;
}

async fn totals_of_a_later_program_are_not_written_over(on: On) {
    let mut bench = Bench::new(on, 1).await;
    bench.rate(2).await;
    let later = OutRecord { partition: Some(0), ..OutRecord::new("3", r#"{"fold":1000}"#) };
    send(&bench.totals, vec![later]).await;
    let engine = bench.start();
    let halted = |view: &BoardView| match view.partitions.first().map(|of| &of.state) {
        Some(PartitionState::Halted(reason)) => reason.contains("upgrade"),
        _ => false,
    };
    until(&mut engine.board(), "halted", halted).await;
    engine.stop().await;
    assert_eq!(bench.read(&bench.settings.topics.totals, 0).await.len(), 1);
}
