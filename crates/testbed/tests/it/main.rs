//! The integration tests of the `erboh_testbed` crate.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod kafka;
