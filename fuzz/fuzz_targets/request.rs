//! One request, from the bytes of its frame to its handler, on a broker in a directory of its own.
//!
//! `cargo fuzz run request --sanitizer none` needs no nightly compiler.

#![no_main]

use std::sync::LazyLock;

use erboh_broker::fuzzing::Requests;
use libfuzzer_sys::fuzz_target;

static REQUESTS: LazyLock<(tempfile::TempDir, Requests)> = LazyLock::new(|| {
    let data = tempfile::tempdir().expect("a temporary directory");
    let requests = Requests::open(data.path());
    (data, requests)
});

fuzz_target!(|frame: &[u8]| REQUESTS.1.answer(frame));
