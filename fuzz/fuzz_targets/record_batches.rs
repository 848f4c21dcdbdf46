//! Record batches as a client sends them.
//!
//! `cargo fuzz run record_batches --sanitizer none` needs no nightly compiler.

#![no_main]

use erboh_broker::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::record_batches(bytes));
