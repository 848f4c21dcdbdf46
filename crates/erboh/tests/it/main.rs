//! The integration tests of the `erboh` crate: one binary, because each binary is linked anew.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod access;
mod audit;
mod board;
mod broker;
mod cli;
mod crash;
mod demo;
mod doctor;
mod engine;
mod game;
mod hazards;
mod headers;
mod load;
mod logs;
mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
mod pages;
mod pressure;
mod process;
mod producer;
mod rate;
mod ratings;
mod requests;
mod security;
mod server;
mod simulations;
mod smoke;
mod spec;
mod support;
#[cfg(debug_assertions)]
mod threads;
mod tidy;
mod topics;
mod web;

/// Only a broken build takes this long; it ends a test instead of hanging it.
const WAIT_MAX: std::time::Duration = std::time::Duration::from_mins(1);
