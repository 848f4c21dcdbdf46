//! The tests, by what goes wrong. They need Apache Kafka, so that only `cargo xtask test` runs them.

mod audit;
mod brokers;
mod groups;
mod logs;
mod members;
mod retries;
mod unreadable;
mod zombies;

/// Threads that send ratings.
const WRITERS: usize = 4;

/// What each of them rests after a rating: the load is steady, and leaves the machine to others.
const PACE: std::time::Duration = std::time::Duration::from_millis(5);
