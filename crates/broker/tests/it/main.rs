//! The broker as clients see it: over sockets, from outside of the crate.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod configs;
mod kafka;
mod raw;
mod records;
mod restart;
mod round_trip;
mod sockets;
mod support;
mod topics;
mod transactions;
