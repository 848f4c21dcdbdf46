//! Voices: as many as are counted, with names as long as they may be, and one more.

use erboh::limits::{NAME_CHARS_MAX, VOICES_MAX};
use erboh::queue::OutRecord;
use std::time::Duration;
use uuid::Uuid;

use super::bench::{Bench, until};
use super::broker::{On, on_both};

on_both!(the_largest_totals_fit_into_a_snapshot_and_a_voice_too_many_is_a_dead_letter);

/// A name as long as may be, of characters of four bytes that do not compress well.
fn name(number: usize) -> String {
    let mut state = number as u32 + 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        // Chinese characters of the supplementary plane.
        char::from_u32(0x2_0000 + state % 0xa000).unwrap()
    };
    (0..NAME_CHARS_MAX).map(|_| next()).collect()
}

/// A rating of the voices with these numbers.
fn rating(one: usize, two: usize) -> OutRecord {
    let (one, two) = (name(one), name(two));
    let id = Uuid::now_v7();
    let value = format!(
        r#"{{"id":"{id}","battle":"A vs B","voice1":"{one}","voice2":"{two}","rating":1}}"#
    );
    OutRecord::new(id.to_string(), value)
}

async fn the_largest_totals_fit_into_a_snapshot_and_a_voice_too_many_is_a_dead_letter(on: On) {
    let mut bench = Bench::new(on, 1).await;
    // So large a snapshot is nothing for every moment.
    bench.settings.snapshot_interval = Duration::from_secs(1);
    let all: Vec<OutRecord> = (0..VOICES_MAX / 2).map(|n| rating(2 * n, 2 * n + 1)).collect();
    for batch in all.chunks(1_000) {
        bench.write(batch.to_vec()).await;
    }
    let too_many = vec![rating(0, VOICES_MAX), rating(VOICES_MAX + 1, VOICES_MAX + 2)];
    bench.write(too_many).await;
    bench.write(vec![rating(0, VOICES_MAX - 1)]).await;
    let (counted, dead) = (VOICES_MAX as u64 / 2 + 1, 2);
    let end = (counted + dead) as i64;

    let engine = bench.start();
    let counts = |view: &erboh::consumer::view::BoardView| {
        (view.board.counted(), view.board.dead()) == (counted, dead)
    };
    let view = until(&mut engine.board(), "all counted", counts).await;
    assert_eq!(view.board.snapshots()[&0].voices.len(), VOICES_MAX);
    assert_eq!(view.problem, None);
    let newest = bench.until_covered(0, end).await;
    assert!(newest.to_json().len() > VOICES_MAX * NAME_CHARS_MAX * 4);
    drop(engine);
    // And it can be gone on from.
    let engine = bench.start();
    bench.write(vec![rating(1, 2)]).await;
    let view = until(&mut engine.board(), "one more", |view| view.board.counted() > counted).await;
    assert_eq!(view.board.counted(), counted + 1);
    drop(engine);
    let letters = bench.read(&bench.settings.topics.dead_letters, 0).await;
    assert!(letters.len() >= 2, "{}", letters.len());
    for letter in letters {
        assert!(letter.headers[0].1.contains("too many voices"), "{:?}", letter.headers);
    }
}
