//! What becomes of records: counted, duplicates, dead letters.

use erboh::queue::OutRecord;
use uuid::Uuid;

use super::bench::{Bench, rating, until, until_counted};
use super::broker::{On, on_both};

const TRACEPARENT: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

on_both!(
    a_second_copy_does_not_count_even_after_a_restart,
    what_is_no_rating_becomes_a_dead_letter_before_a_snapshot_passes_it,
);

async fn a_second_copy_does_not_count_even_after_a_restart(on: On) {
    let mut bench = Bench::new(on, 2).await;
    let engine = bench.start();
    let id = Uuid::now_v7().to_string();
    bench.write(vec![rating(&id), rating(&id)]).await;
    bench.sent = 1;
    let duplicates = |expected| {
        move |view: &erboh::consumer::view::BoardView| {
            assert!(view.board.counted() <= 3 && view.board.duplicates() <= expected);
            view.board.duplicates() == expected
        }
    };
    until(&mut engine.board(), "one duplicate", duplicates(1)).await;
    until_counted(&engine, 1).await;
    engine.stop().await;

    bench.write(vec![rating(&id)]).await;
    bench.rate(2).await;
    let engine = bench.start();
    until(&mut engine.board(), "two duplicates", duplicates(2)).await;
    until_counted(&engine, 3).await;
    engine.stop().await;
}

async fn what_is_no_rating_becomes_a_dead_letter_before_a_snapshot_passes_it(on: On) {
    let mut bench = Bench::new(on, 1).await;
    let engine = bench.start();
    bench.rate(1).await;
    let trace = ("traceparent".to_owned(), TRACEPARENT.to_vec());
    let bad = vec![
        OutRecord::new("a", "not a rating"),
        OutRecord { value: None, ..OutRecord::new("b", "") },
        OutRecord::new("c", vec![b'x'; 200_000]),
        OutRecord { headers: vec![trace], ..OutRecord::new("d", [0xff, 0xfe]) },
    ];
    let placed = bench.write(bad).await;
    bench.rate(1).await;
    // Without an id: the old text form counts each time.
    let old = OutRecord::new("e", "One vs Two|Big Bird|Macho Man|2");
    bench.write(vec![old.clone(), old]).await;
    let view = until_counted(&engine, 4).await;
    assert_eq!(view.board.dead(), 4);
    engine.stop().await;

    let letters = bench.read(&bench.settings.topics.dead_letters, 0).await;
    let log = bench.snapshots(0).await.pop().unwrap().1.log;
    let keys: Vec<&str> = letters.iter().map(|letter| letter.key.as_str()).collect();
    let expected: Vec<String> =
        placed.iter().map(|placed| format!("{log}|0|{}", placed.offset)).collect();
    assert_eq!(keys, expected);
    let lengths: Vec<usize> = letters.iter().map(|letter| letter.value.len()).collect();
    assert_eq!(lengths, [12, 0, 64 * 1024, 2]);
    for (letter, placed) in letters.iter().zip(&placed) {
        let source = format!("{}/0/{}", bench.settings.topics.ratings, placed.offset);
        assert_eq!(letter.headers[1].1, source);
        assert_eq!(letter.headers[2].1, "1");
        assert!(!letter.headers[0].1.is_empty());
    }
    assert_eq!(letters[3].headers[3].1.as_bytes(), TRACEPARENT, "its trace goes with it");
}
