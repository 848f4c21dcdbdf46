//! An upload of ratings: its bytes cut into lines, and each line read as a rating.
//!
//! The modules are compiled from their sources, because the crate around them brings Kafka's client, which takes
//! minutes to build and is not what is tried here.
//!
//! `cargo fuzz run ratings --sanitizer none` needs no nightly compiler.

#![no_main]
#![allow(dead_code, unused_imports, reason = "a target uses a part of each module")]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/erboh/src/web/byte_order_mark.rs"]
mod byte_order_mark;
#[path = "../../crates/erboh/src/limits.rs"]
mod limits;
#[path = "../../crates/erboh/src/producer/ratings/lines.rs"]
mod lines;
#[path = "../../crates/erboh/src/rating/mod.rs"]
mod rating;

/// Where the modules look for it.
mod web {
    pub(crate) use super::byte_order_mark;
}

use lines::{Line, Lines};
use rating::{Rating, RatingId, RatingView};

/// The lines of an upload that arrives in chunks of `size` bytes.
fn cut(mut bytes: &[u8], size: usize) -> Vec<(u64, Option<Vec<u8>>)> {
    let (mut lines, mut found) = (Lines::default(), Vec::new());
    let mut collect = |lines: &mut Lines, ended| {
        found.extend(lines.cut(ended).map(|(number, line)| match line {
            Line::Bytes(bytes) => (number, Some(bytes.to_vec())),
            Line::TooLong => (number, None),
        }));
    };
    while !bytes.is_empty() {
        let (buffer, room) = lines.room();
        let (chunk, rest) = bytes.split_at(size.min(room).min(bytes.len()));
        buffer.extend_from_slice(chunk);
        bytes = rest;
        collect(&mut lines, false);
    }
    collect(&mut lines, true);
    found
}

/// What is taken from a client is on the queue what it was; the queue's reader says the same.
fn read(line: &[u8]) {
    let queued = Rating::parse(line);
    let Ok(view) = RatingView::from_request(line) else { return };
    let id = view.id.unwrap_or_else(RatingId::new);
    let mut value = Vec::new();
    view.write_json(id, &mut value);
    let rating = Rating { id: Some(id), ..Rating::from(view) };
    assert_eq!(value, rating.to_json());
    assert_eq!(Rating::parse(&value).as_ref(), Ok(&rating));
    if rating.id == queued.as_ref().ok().and_then(|queued| queued.id) {
        assert_eq!(queued, Ok(rating));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&size, upload)) = bytes.split_first() else { return };
    let lines = cut(upload, usize::from(size) + 1);
    assert_eq!(lines, cut(upload, usize::MAX));
    lines.iter().filter_map(|(_, line)| line.as_deref()).for_each(read);
});
