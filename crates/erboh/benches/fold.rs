//! How many records a second one core folds: `cargo bench --bench fold`.
//!
//! Without `--bench` (as `cargo test --all-targets` runs it) it only shows that it works.

use std::hint::black_box;
use std::time::Instant;

use erboh::limits::WINDOW_OFFSETS;
use erboh::rating::simulate::Researchers;
use erboh::rating::{Rating, RatingId};
use erboh::totals::{PartitionTotals, Record};

fn main() {
    let measured = std::env::args().any(|argument| argument == "--bench");
    // Twelve windows: the first fills it, the rest is the steady state.
    let count = if measured { 12 * WINDOW_OFFSETS as usize } else { 1_000 };
    let ratings: Vec<Rating> = Researchers::new(1).take(count).collect();

    let json: Vec<_> = ratings
        .iter()
        .cloned()
        .map(|rating| Rating { id: Some(RatingId::new()), ..rating }.to_json())
        .collect();
    let twice: Vec<_> = json.iter().flat_map(|value| [value, value]).take(count).cloned().collect();
    let text: Vec<_> = ratings
        .iter()
        .map(|of| format!("{}|{}|{}|{}", of.battle, of.voice1, of.voice2, of.score.value()))
        .map(String::into_bytes)
        .collect();

    println!("{count} records of {} bytes (JSON)", json[0].len());
    for (name, values) in [("JSON", &json), ("JSON, each twice", &twice), ("old text form", &text)]
    {
        report(name, "folded", values, &mut PartitionTotals::start(0, 0), |totals, record| {
            black_box(totals.apply(record));
        });
    }

    // What a take-over does before it goes on counting.
    let window = &json[json.len().saturating_sub(WINDOW_OFFSETS as usize)..];
    let mut totals = PartitionTotals::start(0, 0);
    totals.advance_to(window.len() as i64);
    totals.begin_warm(0);
    report("JSON", "re-read into the window", window, &mut totals, PartitionTotals::warm);
}

/// Gives every value to `each` and prints how long that took.
fn report(
    name: &str,
    done: &str,
    values: &[Vec<u8>],
    totals: &mut PartitionTotals,
    each: impl Fn(&mut PartitionTotals, Record<'_>),
) {
    let start = Instant::now();
    for (offset, value) in values.iter().enumerate() {
        let value = Some(value.as_slice());
        let offset = offset as i64;
        each(totals, Record { offset, timestamp_ms: 1_760_000_000_000 + offset, key: None, value });
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{name}: {:.0} records/s {done}", values.len() as f64 / seconds);
}
